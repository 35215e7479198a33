// SPDX-License-Identifier: Apache-2.0
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client as a test client; the line protocol is described in ../README.md. */
public final class JavaClient {
    private final String bootstrap;
    private final BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    private JavaClient(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        new JavaClient(args[0]).serve();
    }

    private void serve() throws Exception {
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            Map<String, String> options = new HashMap<>();
            for (int i = 1; i < words.length; i++) {
                String[] pair = words[i].split("=", 2);
                options.put(pair[0], pair[1]);
            }
            StringBuilder out = new StringBuilder();
            try {
                if (words[0].equals("produce")) {
                    produce(options, out);
                } else if (words[0].equals("group")) {
                    group(options, out);
                } else {
                    consume(options, out);
                }
            } catch (Exception e) {
                e.printStackTrace();
                out.append("failed\t").append(oneLine(e)).append('\n');
            }
            System.out.print(out.append("done\n"));
            System.out.flush();
        }
    }

    private static String oneLine(Throwable e) {
        return e.toString().replaceAll("\\s+", " ");
    }

    private static byte[] unpack(String text) {
        return text.equals("-") ? null : Base64.getDecoder().decode(text.substring(1));
    }

    private static String pack(byte[] data) {
        return data == null ? "-" : "=" + Base64.getEncoder().encodeToString(data);
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, int part, String line) {
        String[] f = line.split("\t");
        List<Header> headers = new ArrayList<>();
        if (!f[3].equals("-")) {
            for (String h : f[3].split(",")) {
                String[] pair = h.split(":", 2);
                headers.add(new RecordHeader(pair[0], unpack(pair[1])));
            }
        }
        Long ts = f[2].equals("-") ? null : Long.valueOf(f[2]);
        return new ProducerRecord<>(topic, part, ts, unpack(f[0]), unpack(f[1]), headers);
    }

    private void produce(Map<String, String> o, StringBuilder out) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("acks", o.get("acks"));
        p.put("compression.type", o.get("codec"));
        p.put("enable.idempotence", o.get("idempotent").equals("1") ? "true" : "false");
        p.put("linger.ms", "20");
        p.put("max.request.size", "10000000");
        p.put("request.timeout.ms", "20000");
        p.put("delivery.timeout.ms", "30000");
        int count = Integer.parseInt(o.get("count"));
        List<ProducerRecord<byte[], byte[]>> rows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            rows.add(record(o.get("topic"), Integer.parseInt(o.get("partition")), in.readLine()));
        }
        try (KafkaProducer<byte[], byte[]> producer =
                 new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> row : rows) {
                sent.add(producer.send(row));
            }
            producer.flush();
            for (int i = 0; i < sent.size(); i++) {
                try {
                    out.append("ack\t" + i + "\t" + sent.get(i).get().offset() + "\n");
                } catch (Exception e) {
                    out.append("error\t" + i + "\t" + oneLine(e) + "\n");
                }
            }
        }
    }

    private static boolean seek(KafkaConsumer<byte[], byte[]> consumer, TopicPartition part,
                                Map<String, String> o) {
        long at = Long.parseLong(o.get("at"));
        switch (o.get("from")) {
        case "beginning":
            consumer.seekToBeginning(List.of(part));
            return true;
        case "end":
            consumer.seekToEnd(List.of(part));
            return true;
        case "timestamp":
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(part, at)).get(part);
            if (found == null) {
                return false;
            }
            consumer.seek(part, found.offset());
            return true;
        default:
            consumer.seek(part, at);
            return true;
        }
    }

    private void consume(Map<String, String> o, StringBuilder out) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("auto.offset.reset", "none");
        p.put("enable.auto.commit", "false");
        TopicPartition part =
            new TopicPartition(o.get("topic"), Integer.parseInt(o.get("partition")));
        int count = Integer.parseInt(o.get("count"));
        long end = System.nanoTime() + Long.parseLong(o.get("timeout_ms")) * 1_000_000L;
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(part));
            int got = 0;
            boolean found = seek(consumer, part, o);
            while (found && got < count && System.nanoTime() < end) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) {
                    if (got++ < count) {
                        append(out, r);
                    }
                }
            }
        }
    }

    private void group(Map<String, String> o, StringBuilder out) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", o.get("group"));
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("session.timeout.ms", "10000");
        p.put("max.poll.records", "50");
        p.put("partition.assignment.strategy", o.get("strategy").equals("cooperative")
                  ? "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
                  : "org.apache.kafka.clients.consumer.RangeAssignor");
        if (!o.get("instance").equals("-")) {
            p.put("group.instance.id", o.get("instance"));
        }
        int count = Integer.parseInt(o.get("count"));
        long end = System.nanoTime() + Long.parseLong(o.get("timeout_ms")) * 1_000_000L;
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(o.get("topic")));
            int got = 0;
            while (got < count && System.nanoTime() < end) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) {
                    out.append("member\t" + r.partition() + "\t" + r.offset() + "\t"
                               + pack(r.value()) + "\n");
                    got++;
                }
            }
            if (got > 0) {
                consumer.commitSync();
            }
        }
    }

    private static void append(StringBuilder out, ConsumerRecord<byte[], byte[]> r) {
        List<String> headers = new ArrayList<>();
        for (Header h : r.headers()) {
            headers.add(h.key() + ":" + pack(h.value()));
        }
        String packed = headers.isEmpty() ? "-" : String.join(",", headers);
        out.append(String.join("\t", "record", Long.toString(r.offset()),
                               Long.toString(r.timestamp()), pack(r.key()), pack(r.value()), packed));
        out.append('\n');
    }
}
