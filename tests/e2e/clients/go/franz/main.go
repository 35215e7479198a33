// SPDX-License-Identifier: Apache-2.0

// franz-go as a test client.
package main

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"sluice.io/e2e/proto"
)

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func produce(o proto.Options, records []proto.Record) error {
	acks := map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}[o.Acks]
	opts := []kgo.Opt{kgo.SeedBrokers(os.Args[1]), kgo.RequiredAcks(acks), kgo.AllowAutoTopicCreation(),
		kgo.ProducerBatchCompression(codec(o.Codec)), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(20 * time.Millisecond), kgo.ProducerBatchMaxBytes(1049600),
		kgo.RecordRetries(8)} // its delivery timeout counts from the record's own timestamp
	if !o.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	var mu sync.Mutex
	for i, r := range records {
		record := &kgo.Record{Topic: o.Topic, Partition: int32(o.Partition), Key: r.Key, Value: r.Value}
		if r.Time >= 0 {
			record.Timestamp = time.UnixMilli(r.Time)
		}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				proto.Refused(i, err)
			case o.Acks == "0":
				proto.Ack(i, -1)
			default:
				proto.Ack(i, r.Offset)
			}
		})
	}
	return client.Flush(context.Background())
}

func consume(o proto.Options) error {
	at := map[string]kgo.Offset{"beginning": kgo.NewOffset().AtStart(), "end": kgo.NewOffset().AtEnd(),
		"offset": kgo.NewOffset().At(o.At), "timestamp": kgo.NewOffset().AfterMilli(o.At)}[o.From]
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.FetchMaxWait(300*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.Topic: {int32(o.Partition): at}}))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithDeadline(context.Background(), o.Deadline())
	defer cancel()
	for got := int64(0); got < o.Count && ctx.Err() == nil; {
		fetches := client.PollRecords(ctx, int(o.Count-got))
		for _, e := range fetches.Errors() {
			if ctx.Err() == nil {
				return e.Err
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			headers := []proto.Header{}
			for _, h := range r.Headers {
				headers = append(headers, proto.Header{Name: h.Key, Value: h.Value})
			}
			proto.Say(r.Offset, r.Timestamp, r.Key, r.Value, headers)
			got++
		})
	}
	return nil
}

func group(o proto.Options) error {
	opts := []kgo.Opt{kgo.SeedBrokers(os.Args[1]), kgo.FetchMaxWait(300 * time.Millisecond),
		kgo.ConsumerGroup(o.Group), kgo.ConsumeTopics(o.Topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	if o.Instance != "-" {
		opts = append(opts, kgo.InstanceID(o.Instance))
	}
	if o.Strategy == "default" {
		opts = append(opts, kgo.Balancers(kgo.RangeBalancer()))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithDeadline(context.Background(), o.Deadline())
	defer cancel()
	got := int64(0)
	for got < o.Count && ctx.Err() == nil {
		fetches := client.PollRecords(ctx, int(o.Count-got))
		for _, e := range fetches.Errors() {
			if ctx.Err() == nil {
				return e.Err
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			proto.Member(r.Partition, r.Offset, r.Value)
			got++
		})
	}
	if got == 0 {
		return nil
	}
	return client.CommitUncommittedOffsets(context.Background())
}

func main() { proto.Serve(produce, consume, group) }
