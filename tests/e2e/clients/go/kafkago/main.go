// SPDX-License-Identifier: Apache-2.0

// segmentio/kafka-go as a test client: Writer, and Reader on one partition.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"sluice.io/e2e/proto"
)

var codecs = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy,
	"lz4": kafka.Lz4, "zstd": kafka.Zstd}

func produce(o proto.Options, records []proto.Record) error {
	w := &kafka.Writer{
		Addr: kafka.TCP(os.Args[1]), Topic: o.Topic, Compression: codecs[o.Codec],
		RequiredAcks: map[string]kafka.RequiredAcks{"0": kafka.RequireNone, "1": kafka.RequireOne,
			"all": kafka.RequireAll}[o.Acks],
		Balancer:     kafka.BalancerFunc(func(kafka.Message, ...int) int { return int(o.Partition) }),
		BatchTimeout: 20 * time.Millisecond, BatchBytes: 10000000, AllowAutoTopicCreation: true,
	}
	defer w.Close()
	messages := []kafka.Message{}
	for _, r := range records {
		m := kafka.Message{Key: r.Key, Value: r.Value}
		if r.Time >= 0 {
			m.Time = time.UnixMilli(r.Time)
		}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, kafka.Header{Key: h.Name, Value: h.Value})
		}
		messages = append(messages, m)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	err := w.WriteMessages(ctx, messages...)
	for i := 0; i < 50 && errors.Is(err, kafka.UnknownTopicOrPartition); i++ {
		time.Sleep(100 * time.Millisecond) // being created: its README leaves the retry to us
		err = w.WriteMessages(ctx, messages...)
	}
	var each kafka.WriteErrors
	for i := range records {
		switch {
		case err == nil:
			proto.Ack(i, -1)
		case errors.As(err, &each) && each[i] == nil:
			proto.Ack(i, -1)
		default:
			proto.Refused(i, err)
		}
	}
	return nil
}

func consume(o proto.Options) error {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{os.Args[1]}, Topic: o.Topic,
		Partition: int(o.Partition), MinBytes: 1, MaxBytes: 10 << 20, MaxWait: 300 * time.Millisecond})
	defer r.Close()
	ctx, cancel := context.WithDeadline(context.Background(), o.Deadline())
	defer cancel()
	err := map[string]func() error{
		"beginning": func() error { return r.SetOffset(kafka.FirstOffset) },
		"end":       func() error { return r.SetOffset(kafka.LastOffset) },
		"offset":    func() error { return r.SetOffset(o.At) },
		"timestamp": func() error { return r.SetOffsetAt(ctx, time.UnixMilli(o.At)) },
	}[o.From]()
	for got := int64(0); err == nil && got < o.Count; got++ {
		var m kafka.Message
		m, err = r.ReadMessage(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err == nil {
			headers := []proto.Header{}
			for _, h := range m.Headers {
				headers = append(headers, proto.Header{Name: h.Key, Value: h.Value})
			}
			proto.Say(m.Offset, m.Time, m.Key, m.Value, headers)
		}
	}
	return err
}

func group(o proto.Options) error {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{os.Args[1]}, Topic: o.Topic,
		GroupID: o.Group, StartOffset: kafka.FirstOffset, MinBytes: 1, MaxBytes: 10 << 20,
		MaxWait: 300 * time.Millisecond, SessionTimeout: 10 * time.Second})
	defer r.Close()
	ctx, cancel := context.WithDeadline(context.Background(), o.Deadline())
	defer cancel()
	for got := int64(0); got < o.Count; got++ {
		m, err := r.FetchMessage(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		proto.Member(int32(m.Partition), m.Offset, m.Value)
		if err := r.CommitMessages(context.Background(), m); err != nil {
			return err
		}
	}
	return nil
}

func main() { proto.Serve(produce, consume, group) }
