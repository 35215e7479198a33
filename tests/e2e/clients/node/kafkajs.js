// SPDX-License-Identifier: Apache-2.0
// kafkajs as a test client. It has no assign(): consuming goes through a group and seek().
'use strict'
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const fzstd = require('fzstd')
const lz4 = require('lz4js')
const snappy = require('snappyjs')
const { ZstdCodec } = require('zstd-codec')
const { serve, say, sayMember, sayRecord } = require('./proto.cjs')

const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])

function unsnappy(data) {
  if (!data.subarray(0, 8).equals(XERIAL)) {
    return snappy.uncompress(data)
  }
  const parts = []
  for (let at = 16; at < data.length;) {
    const size = data.readInt32BE(at)
    parts.push(snappy.uncompress(data.subarray(at + 4, at + 4 + size)))
    at += 4 + size
  }
  return Buffer.concat(parts)
}

// lz4js writes linked blocks, which Kafka refuses: a frame of independent 64 KiB blocks by hand.
function lz4Frame(data) {
  const parts = [Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82])]
  const table = lz4.makeHashTable ? lz4.makeHashTable() : new Uint32Array(1 << 16)
  for (let at = 0; at < data.length; at += 65536) {
    const block = data.subarray(at, at + 65536)
    const packed = Buffer.alloc(block.length + 1024)
    table.fill(0)
    const size = lz4.compressBlock(block, packed, 0, block.length, table)
    const head = Buffer.alloc(4)
    const stored = size === 0 || size >= block.length
    head.writeUInt32LE(stored ? (block.length | 0x80000000) >>> 0 : size)
    parts.push(head, stored ? block : packed.subarray(0, size))
  }
  return Buffer.concat([...parts, Buffer.alloc(4)])
}

const zstd = new Promise(resolve => ZstdCodec.run(z => resolve(new z.Simple())))
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: async encoder => snappy.compress(encoder.buffer),
  decompress: async data => unsnappy(data)
})
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4Frame(encoder.buffer),
  decompress: async data => Buffer.from(lz4.decompress(data))
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async data => Buffer.from(fzstd.decompress(data))
})

const kafka = new Kafka({
  brokers: [process.argv[2]], logLevel: logLevel.ERROR, retry: { retries: 4, initialRetryTime: 50 }
})
const TYPES = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }

// { name: value } or { name: [values] }; repeated names keep their order among themselves only.
function headersOf(pairs) {
  const out = {}
  for (const [name, value] of pairs) {
    out[name] = name in out ? [].concat(out[name], value) : value
  }
  return out
}

async function produce(o, records) {
  const producer = kafka.producer({ idempotent: o.idempotent === 1, maxInFlightRequests: 1 })
  await producer.connect()
  try {
    const sent = await producer.send({
      topic: o.topic, acks: o.acks === 'all' ? -1 : o.acks, compression: TYPES[o.codec],
      messages: records.map(r => ({
        key: r.key, value: r.value, partition: o.partition, headers: headersOf(r.headers),
        ...(r.ts === null ? {} : { timestamp: String(r.ts) })
      }))
    })
    const base = sent.length ? Number(sent[0].baseOffset ?? sent[0].offset ?? -1) : -1
    records.forEach((_, i) => say('ack', i, base < 0 ? -1 : base + i))
  } catch (e) {
    records.forEach((_, i) => say('error', i, String(e.message).replace(/\s+/g, ' ')))
  } finally {
    await producer.disconnect()
  }
}

async function startOffset(admin, o) {
  if (o.from === 'offset') {
    return String(o.at)
  }
  if (o.from === 'timestamp') {
    const found = await admin.fetchTopicOffsetsByTimestamp(o.topic, o.at)
    return found.find(p => p.partition === o.partition).offset
  }
  const found = await admin.fetchTopicOffsets(o.topic)
  const row = found.find(p => p.partition === o.partition)
  return o.from === 'end' ? row.high : row.low
}

async function consume(o) {
  const admin = kafka.admin()
  await admin.connect()
  const offset = await startOffset(admin, o)
  await admin.disconnect()
  const consumer = kafka.consumer({ groupId: `e2e-${process.pid}-${Math.random()}` })
  await consumer.connect()
  await consumer.subscribe({ topic: o.topic, fromBeginning: true })
  let got = 0
  await new Promise((resolve, reject) => {
    setTimeout(resolve, o.timeout_ms)
    consumer.on(consumer.events.CRASH, e => reject(e.payload.error))
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message: m }) => {
        if (partition === o.partition && Number(m.offset) >= Number(offset) && got < o.count) {
          const headers = Object.entries(m.headers ?? {})
            .flatMap(([n, v]) => [].concat(v).map(one => [n, one]))
          sayRecord(m.offset, m.timestamp, m.key, m.value, headers)
          if (++got === o.count) {
            resolve()
          }
        }
      }
    })
    consumer.seek({ topic: o.topic, partition: o.partition, offset })
  })
  await consumer.disconnect()
}

async function group(o) {
  const consumer = kafka.consumer({ groupId: o.group, sessionTimeout: 10000 })
  await consumer.connect()
  await consumer.subscribe({ topic: o.topic, fromBeginning: true })
  let got = 0
  await new Promise((resolve, reject) => {
    setTimeout(resolve, o.timeout_ms)
    consumer.on(consumer.events.CRASH, e => reject(e.payload.error))
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, partition, message: m }) => {
        if (got < o.count) {
          sayMember(partition, m.offset, m.value)
          await consumer.commitOffsets([{ topic, partition, offset: String(Number(m.offset) + 1) }])
          if (++got === o.count) {
            resolve()
          }
        }
      }
    })
  })
  await consumer.disconnect()
}

serve(produce, consume, group)
