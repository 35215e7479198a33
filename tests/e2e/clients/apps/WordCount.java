// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Word count, at least once: WordCount HOST:PORT APPLICATION INPUT OUTPUT STATE-DIRECTORY. Says on
 * standard output which state it enters; closes in good order at the end of standard input.
 */
public class WordCount {
    static Properties config(String[] args) {
        Properties p = new Properties();
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        p.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200);
        p.put(StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, 1000); // DeleteRecords
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        p.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        p.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
        p.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 1000);
        return p;
    }

    static KStream<String, String> topology(StreamsBuilder builder, String input) {
        KStream<String, String> lines = builder.stream(input);
        return lines.flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.as("words"))
            .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts"))
            .toStream()
            .mapValues(count -> Long.toString(count));
    }

    public static void main(String[] args) throws IOException {
        StreamsBuilder builder = new StreamsBuilder();
        topology(builder, args[2]).to(args[3]);
        KafkaStreams streams = new KafkaStreams(builder.build(), config(args));
        streams.setStateListener((now, before) -> {
            System.out.println("state\t" + now);
            System.out.flush();
        });
        streams.start();
        while (System.in.read() >= 0) {
            // only the end of input means something
        }
        System.out.println("closed\t" + streams.close(Duration.ofSeconds(30)));
    }
}
