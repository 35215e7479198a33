// SPDX-License-Identifier: Apache-2.0
// @platformatic/kafka as a test client; consuming is its consumer's fetch(), without a group.
import { Consumer, Producer } from '@platformatic/kafka'
import proto from './proto.cjs'

const { serve, say, sayMember, sayRecord } = proto
const options = { clientId: 'e2e', bootstrapBrokers: [process.argv[2]], retries: 5, retryDelay: 100 }

const EMPTY = Buffer.alloc(0)

async function produce(o, records) {
  const producer = new Producer({ ...options, idempotent: o.idempotent === 1, autocreateTopics: true })
  try {
    const sent = await producer.send({
      acks: o.acks === 'all' ? -1 : o.acks,
      compression: o.codec,
      messages: records.map(r => ({
        topic: o.topic, partition: o.partition,
        ...(r.key === null ? {} : { key: r.key }),
        ...(r.value === null ? {} : { value: r.value }),
        headers: new Map(r.headers.map(([n, v]) => [Buffer.from(n), v ?? EMPTY])),
        ...(r.ts === null ? {} : { timestamp: BigInt(r.ts) })
      }))
    })
    const base = sent.offsets?.length ? Number(sent.offsets[0].offset) : -1
    records.forEach((_, i) => say('ack', i, base < 0 ? -1 : base + i))
  } catch (e) {
    const text = [e.message, ...(e.errors ?? []).map(x => x.message)].join(' / ')
    records.forEach((_, i) => say('error', i, text.replace(/\s+/g, ' ')))
  } finally {
    await producer.close()
  }
}

async function startOffset(consumer, o) {
  if (o.from === 'offset') {
    return BigInt(o.at)
  }
  const timestamp = { beginning: -2n, end: -1n, timestamp: BigInt(o.at) }[o.from]
  const found = await consumer.listOffsets({
    topics: [o.topic], partitions: { [o.topic]: [o.partition] }, timestamp
  })
  return found.get(o.topic)[o.partition]
}

async function consume(o) {
  const consumer = new Consumer({ ...options, groupId: 'unused' })
  try {
    const metadata = await consumer.metadata({ topics: [o.topic] })
    const topic = metadata.topics.get(o.topic)
    const leader = topic.partitions[o.partition].leader
    let offset = await startOffset(consumer, o)
    let got = 0
    const end = Date.now() + o.timeout_ms
    while (got < o.count && Date.now() < end) {
      const reply = await consumer.fetch({
        node: leader, maxWaitTime: 300, minBytes: 1, maxBytes: 50 << 20,
        topics: [{
          topicId: topic.id,
          partitions: [{
            partition: o.partition, currentLeaderEpoch: -1, fetchOffset: offset,
            lastFetchedEpoch: -1, partitionMaxBytes: 4 << 20
          }]
        }]
      })
      for (const batch of reply.responses[0]?.partitions[0]?.records ?? []) {
        for (const r of batch.records) {
          const at = batch.firstOffset + BigInt(r.offsetDelta)
          if (at < offset || got === o.count) {
            continue
          }
          sayRecord(at, batch.firstTimestamp + r.timestampDelta, r.key, r.value,
            [...(r.headers ?? [])].map(([n, v]) => [n.toString(), v]))
          got++
          offset = at + 1n
        }
      }
    }
  } finally {
    await consumer.close(true)
  }
}

async function group(o) {
  const consumer = new Consumer({
    ...options, groupId: o.group, ...(o.instance === '-' ? {} : { groupInstanceId: o.instance }),
    sessionTimeout: 10000, heartbeatInterval: 1000
  })
  let got = 0
  try {
    const stream = await consumer.consume({
      topics: [o.topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false,
      maxWaitTime: 300
    })
    const timer = setTimeout(() => stream.close().catch(() => {}), o.timeout_ms)
    for await (const m of stream) {
      sayMember(m.partition, m.offset, m.value)
      await m.commit()
      if (++got === o.count) {
        break
      }
    }
    clearTimeout(timer)
  } finally {
    await consumer.close(true)
  }
}

serve(produce, consume, group)
