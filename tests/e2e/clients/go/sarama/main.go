// SPDX-License-Identifier: Apache-2.0

// sarama as a test client.
package main

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"sluice.io/e2e/proto"
)

var codecs = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone,
	"gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4,
	"zstd": sarama.CompressionZSTD}

func encoder(b []byte) sarama.Encoder {
	if b == nil {
		return nil
	}
	return sarama.ByteEncoder(b)
}

func message(o proto.Options, i int, r proto.Record) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: o.Topic, Partition: int32(o.Partition), Metadata: i,
		Key: encoder(r.Key), Value: encoder(r.Value)}
	if r.Time >= 0 {
		m.Timestamp = time.UnixMilli(r.Time)
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
	}
	return m
}

func produce(o proto.Options, records []proto.Record) error {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Producer.RequiredAcks = map[string]sarama.RequiredAcks{"0": sarama.NoResponse,
		"1": sarama.WaitForLocal, "all": sarama.WaitForAll}[o.Acks]
	c.Producer.Compression = codecs[o.Codec]
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Return.Successes = true
	c.Producer.Flush.Frequency = 20 * time.Millisecond
	c.Producer.MaxMessageBytes = 1048588
	c.Producer.Idempotent = o.Idempotent
	if o.Idempotent {
		c.Net.MaxOpenRequests = 1
	}
	producer, err := sarama.NewAsyncProducer([]string{os.Args[1]}, c)
	if err != nil {
		return err
	}
	go func() {
		for i, r := range records {
			producer.Input() <- message(o, i, r)
		}
	}()
	for range records {
		select {
		case m := <-producer.Successes():
			offset := m.Offset
			if o.Acks == "0" {
				offset = -1
			}
			proto.Ack(m.Metadata.(int), offset)
		case e := <-producer.Errors():
			proto.Refused(e.Msg.Metadata.(int), e.Err)
		}
	}
	return producer.Close()
}

func start(client sarama.Client, o proto.Options) (int64, error) {
	switch o.From {
	case "beginning":
		return sarama.OffsetOldest, nil
	case "end":
		return sarama.OffsetNewest, nil
	case "timestamp":
		return client.GetOffset(o.Topic, int32(o.Partition), o.At)
	}
	return o.At, nil
}

func consume(o proto.Options) error {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Consumer.Return.Errors = true
	c.Consumer.MaxWaitTime = 300 * time.Millisecond
	client, err := sarama.NewClient([]string{os.Args[1]}, c)
	if err != nil {
		return err
	}
	defer client.Close()
	at, err := start(client, o)
	if err != nil {
		return err
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return err
	}
	part, err := consumer.ConsumePartition(o.Topic, int32(o.Partition), at)
	if err != nil {
		return err
	}
	defer part.Close()
	timer := time.NewTimer(time.Until(o.Deadline()))
	for got := int64(0); got < o.Count; got++ {
		select {
		case m := <-part.Messages():
			headers := []proto.Header{}
			for _, h := range m.Headers {
				headers = append(headers, proto.Header{Name: string(h.Key), Value: h.Value})
			}
			proto.Say(m.Offset, m.Timestamp, m.Key, m.Value, headers)
		case e := <-part.Errors():
			return e
		case <-timer.C:
			return nil
		}
	}
	return nil
}

type member struct {
	count int64
	got   int64
	mu    sync.Mutex
	full  context.CancelFunc
}

func (m *member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case r, ok := <-c.Messages():
			if !ok || !m.take(s, r) {
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func (m *member) take(s sarama.ConsumerGroupSession, r *sarama.ConsumerMessage) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.got == m.count {
		return false
	}
	proto.Member(r.Partition, r.Offset, r.Value)
	s.MarkMessage(r, "")
	if m.got++; m.got == m.count {
		s.Commit()
		m.full()
	}
	return true
}

func group(o proto.Options) error {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.MaxWaitTime = 300 * time.Millisecond
	if o.Instance != "-" {
		c.Consumer.Group.InstanceId = o.Instance
	}
	g, err := sarama.NewConsumerGroup([]string{os.Args[1]}, o.Group, c)
	if err != nil {
		return err
	}
	defer g.Close()
	ctx, cancel := context.WithDeadline(context.Background(), o.Deadline())
	defer cancel()
	m := &member{count: o.Count, full: cancel}
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{o.Topic}, m); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func main() { proto.Serve(produce, consume, group) }
