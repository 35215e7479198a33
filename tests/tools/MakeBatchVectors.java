// SPDX-License-Identifier: Apache-2.0
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.RecordBatch;

/**
 * Makes the `java` lines of tests/unit/wire/vectors/batches.txt with Kafka's own classes:
 *
 * java -cp kafka-clients-4.3.1.jar:slf4j-api.jar:snappy-java.jar:lz4-java.jar:zstd-jni.jar \
 *     MakeBatchVectors.java
 *
 * Lines are "WRITER-CODEC PRODUCER_ID COUNT HEX"; what the records hold is computed from their
 * number, here, in make_batch_vectors.py and in batch_vectors.h.
 */
public class MakeBatchVectors {
    static byte[] bytes(String s) {
        return s.getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    static void print(String name, Compression codec, long producerId, int count) {
        MemoryRecordsBuilder b = MemoryRecords.builder(ByteBuffer.allocate(1 << 16),
            RecordBatch.MAGIC_VALUE_V2, codec, TimestampType.CREATE_TIME, 0L, 0L, producerId,
            producerId < 0 ? (short) -1 : (short) 3, producerId < 0 ? -1 : 77, false, -1);
        for (int i = 0; i < count; i++) {
            Header[] headers = new Header[i % 4];
            for (int k = 0; k < headers.length; k++) {
                headers[k] = new RecordHeader("h" + k, k % 2 == 0 ? bytes("x" + i) : null);
            }
            /* the first of three neighbours is the latest */
            long timestamp = 1700000000000L + 10 * i + (i % 3 == 0 ? 25 : 0);
            b.append(timestamp, i % 3 == 2 ? null : bytes("key" + i),
                i % 5 == 4 ? null : bytes("value".repeat(i % 7) + i), headers);
        }
        ByteBuffer out = b.build().buffer();
        byte[] raw = new byte[out.remaining()];
        out.get(raw);
        System.out.println(name + " " + producerId + " " + count + " " + HexFormat.of().formatHex(raw));
    }

    public static void main(String[] args) {
        for (long producerId : new long[] {-1, 4711}) {
            for (int count : new int[] {1, 40}) {
                print("java-none", Compression.NONE, producerId, count);
                print("java-gzip", Compression.gzip().build(), producerId, count);
                print("java-snappy", Compression.snappy().build(), producerId, count);
                print("java-lz4", Compression.lz4().build(), producerId, count);
                print("java-zstd", Compression.zstd().build(), producerId, count);
            }
        }
    }
}
