// SPDX-License-Identifier: Apache-2.0
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Reads the message vectors with Kafka's own classes and writes them again: the second opinion on
 * make_wire_vectors.py. Not part of the test run; use it whenever the vectors change:
 *
 * java -cp kafka-clients-4.3.1.jar:slf4j-api.jar CheckWireVectors.java messages.txt
 */
public class CheckWireVectors {
    public static void main(String[] args) throws Exception {
        int good = 0, bad = 0;
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] f = line.split(" ");
            ApiMessageType type = ApiMessageType.fromApiKey(Short.parseShort(f[0]));
            ApiMessage m = f[1].equals("request") ? type.newRequest() : type.newResponse();
            short version = Short.parseShort(f[2]);
            byte[] want = f[4].equals("-") ? new byte[0] : HexFormat.of().parseHex(f[4]);
            ByteBuffer in = ByteBuffer.wrap(want);
            m.read(new ByteBufferAccessor(in), version);
            ObjectSerializationCache cache = new ObjectSerializationCache();
            ByteBuffer out = ByteBuffer.allocate(m.size(cache, version));
            m.write(new ByteBufferAccessor(out), cache, version);
            if (in.hasRemaining() || !Arrays.equals(want, out.array())) {
                System.out.println("differs: " + line);
                bad++;
            } else {
                good++;
            }
        }
        System.out.println(good + " agree, " + bad + " differ");
        System.exit(bad == 0 ? 0 : 1);
    }
}
