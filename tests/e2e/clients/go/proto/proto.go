// SPDX-License-Identifier: Apache-2.0

// Package proto is the line protocol between the test runner and a client program; see
// clients/README.md.
package proto

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

type Header struct {
	Name  string
	Value []byte // nil: null
}

type Record struct {
	Key, Value []byte // nil: null
	Time       int64  // ms, -1: now
	Headers    []Header
}

type Options struct {
	Topic, Codec, Acks, From        string
	Partition, Count, At, TimeoutMs int64
	Idempotent                      bool
	Group, Instance, Strategy       string
}

func (o Options) Deadline() time.Time {
	return time.Now().Add(time.Duration(o.TimeoutMs) * time.Millisecond)
}

func pack(b []byte) string {
	if b == nil {
		return "-"
	}
	return "=" + base64.StdEncoding.EncodeToString(b)
}

func unpack(s string) []byte {
	if s == "-" {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(s[1:])
	if err != nil {
		panic(err)
	}
	if b == nil {
		b = []byte{}
	}
	return b
}

func parseRecord(line string) Record {
	f := strings.Split(line, "\t")
	r := Record{Key: unpack(f[0]), Value: unpack(f[1]), Time: -1}
	if f[2] != "-" {
		r.Time, _ = strconv.ParseInt(f[2], 10, 64)
	}
	if f[3] != "-" {
		for _, h := range strings.Split(f[3], ",") {
			name, value, _ := strings.Cut(h, ":")
			r.Headers = append(r.Headers, Header{name, unpack(value)})
		}
	}
	return r
}

func parseOptions(words []string) Options {
	m := map[string]string{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		m[k] = v
	}
	n := func(k string) int64 { v, _ := strconv.ParseInt(m[k], 10, 64); return v }
	return Options{m["topic"], m["codec"], m["acks"], m["from"], n("partition"), n("count"), n("at"),
		n("timeout_ms"), m["idempotent"] == "1", m["group"], m["instance"], m["strategy"]}
}

var out = bufio.NewWriter(os.Stdout)

func Ack(index int, offset int64) { fmt.Fprintf(out, "ack\t%d\t%d\n", index, offset) }

func Refused(index int, err error) {
	fmt.Fprintf(out, "error\t%d\t%s\n", index, strings.Join(strings.Fields(err.Error()), " "))
}

// Say prints a record that was consumed.
func Say(offset int64, t time.Time, key, value []byte, headers []Header) {
	packed := []string{}
	for _, h := range headers {
		packed = append(packed, h.Name+":"+pack(h.Value))
	}
	text := strings.Join(packed, ",")
	if text == "" {
		text = "-"
	}
	fmt.Fprintf(out, "record\t%d\t%d\t%s\t%s\t%s\n", offset, t.UnixMilli(), pack(key), pack(value), text)
}

// Member prints a record that a member of a group consumed.
func Member(partition int32, offset int64, value []byte) {
	fmt.Fprintf(out, "member\t%d\t%d\t%s\n", partition, offset, pack(value))
}

// Serve answers commands until the end of input.
func Serve(produce func(Options, []Record) error, consume, group func(Options) error) {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		o := parseOptions(words[1:])
		if words[0] == "produce" {
			records := []Record{}
			for i := int64(0); i < o.Count; i++ {
				text, _ := in.ReadString('\n')
				records = append(records, parseRecord(strings.TrimRight(text, "\n")))
			}
			err = produce(o, records)
		} else if words[0] == "group" {
			err = group(o)
		} else {
			err = consume(o)
		}
		if err != nil {
			fmt.Fprintf(out, "failed\t%s\n", strings.Join(strings.Fields(err.Error()), " "))
		}
		fmt.Fprintln(out, "done")
		out.Flush()
	}
}
