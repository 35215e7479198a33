#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the `python` lines of tests/unit/wire/vectors/batches.txt with kafka-python's codec.

    pip install kafka-python==2.2.15 python-snappy lz4 zstandard
    make_batch_vectors.py

The records are those of MakeBatchVectors.java. kafka-python writes snappy as a xerial stream; the
lines `python-rawsnappy` hold one raw block instead, as librdkafka sends it.
"""
import kafka.record.default_records as default_records
import snappy
from kafka.record.default_records import DefaultRecordBatchBuilder

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4, "rawsnappy": 2}


def batch(codec, producer_id, count):
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=CODECS[codec], is_transactional=False, producer_id=producer_id,
        producer_epoch=-1 if producer_id < 0 else 3,
        base_sequence=-1 if producer_id < 0 else 77, batch_size=1 << 20)
    for i in range(count):
        builder.append(
            i, 1700000000000 + 10 * i + (25 if i % 3 == 0 else 0),
            None if i % 3 == 2 else b"key%d" % i,
            None if i % 5 == 4 else b"value" * (i % 7) + b"%d" % i,
            [("h%d" % k, b"x%d" % i if k % 2 == 0 else None) for k in range(i % 4)])
    return bytes(builder.build())


def main():
    xerial = default_records.snappy_encode
    for producer_id in (-1, 4711):
        for count in (1, 40):
            for codec in CODECS:
                default_records.snappy_encode = snappy.compress if codec == "rawsnappy" else xerial
                raw = batch(codec, producer_id, count)
                print(f"python-{codec}", producer_id, count, raw.hex())


if __name__ == "__main__":
    main()
