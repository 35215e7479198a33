// SPDX-License-Identifier: Apache-2.0
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** The Java client as members of groups; see README.md in this folder. */
public class Members {
    static String boot;

    static synchronized void say(Object... fields) {
        StringBuilder line = new StringBuilder();
        for (Object f : fields) {
            line.append(line.length() == 0 ? "" : "\t").append(f);
        }
        System.out.println(line);
        System.out.flush();
    }

    static class Member extends Thread {
        final String member;
        final Map<String, String> options = new HashMap<>();
        volatile boolean isClosing;
        String seen;

        Member(String name, List<String> words) {
            member = name;
            for (String w : words) {
                options.put(w.substring(0, w.indexOf('=')), w.substring(w.indexOf('=') + 1));
            }
            setDaemon(true);
        }

        boolean has(String option) {
            return !options.get(option).equals("-");
        }

        Properties config() {
            Properties p = new Properties();
            p.put("bootstrap.servers", boot);
            p.put("group.id", options.get("group"));
            p.put("client.id", member);
            p.put("group.protocol", options.get("protocol"));
            p.put("auto.offset.reset", "earliest");
            p.put("auto.commit.interval.ms", "200");
            p.put("metadata.max.age.ms", "1000");
            if (options.get("protocol").equals("classic")) {
                p.put("session.timeout.ms", "10000");
                p.put("heartbeat.interval.ms", "500");
            }
            if (has("instance")) {
                p.put("group.instance.id", options.get("instance"));
            }
            if (has("assignor")) {
                p.put("group.remote.assignor", options.get("assignor"));
            }
            return p;
        }

        /** By reflection: the expression that brokers match came with 4.0. */
        void subscribe(KafkaConsumer<byte[], byte[]> consumer) throws Exception {
            if (!has("regex")) {
                consumer.subscribe(Arrays.asList(options.get("topics").split(",")));
                return;
            }
            Class<?> pattern = Class.forName("org.apache.kafka.clients.consumer.SubscriptionPattern");
            consumer.getClass().getMethod("subscribe", pattern).invoke(consumer,
                pattern.getConstructor(String.class).newInstance(options.get("regex")));
        }

        void note(KafkaConsumer<byte[], byte[]> consumer) {
            TreeSet<String> parts = new TreeSet<>();
            for (TopicPartition p : consumer.assignment()) {
                parts.add(p.topic() + "/" + p.partition());
            }
            String now = parts.isEmpty() ? "-" : String.join(",", parts);
            if (!now.equals(seen)) {
                seen = now;
                say("assigned", member, now);
            }
        }

        void consume() throws Exception {
            try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config(),
                     new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                subscribe(consumer);
                while (!isClosing) {
                    for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(50))) {
                        say("record", member, r.topic(), r.partition(), r.offset());
                    }
                    note(consumer);
                }
            }
        }

        @Override
        public void run() {
            try {
                consume();
                say("closed", member);
            } catch (Throwable e) {
                e.printStackTrace();
                say("failed", member, String.valueOf(e).replaceAll("\\s+", " "));
            }
        }
    }

    public static void main(String[] args) throws Exception {
        boot = args[0];
        Map<String, Member> members = new HashMap<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;) {
            List<String> words = Arrays.asList(line.trim().split("\\s+"));
            if (words.get(0).equals("open")) {
                Member m = new Member(words.get(1), words.subList(2, words.size()));
                members.put(words.get(1), m);
                m.start();
            } else {
                members.get(words.get(1)).isClosing = true;
            }
        }
    }
}
