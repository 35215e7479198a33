// SPDX-License-Identifier: Apache-2.0
// The line protocol between the test runner and a client program; see ../README.md.
'use strict'
const readline = require('node:readline')

const pack = data => data === null || data === undefined ? '-' : '=' + Buffer.from(data).toString('base64')
const unpack = text => text === '-' ? null : Buffer.from(text.slice(1), 'base64')
const say = (...fields) => process.stdout.write(fields.join('\t') + '\n')

function parseRecord(line) {
  const [key, value, ts, headers] = line.split('\t')
  return {
    key: unpack(key),
    value: unpack(value),
    ts: ts === '-' ? null : Number(ts),
    headers: headers === '-' ? [] : headers.split(',').map(h => {
      const at = h.indexOf(':')
      return [h.slice(0, at), unpack(h.slice(at + 1))]
    })
  }
}

function sayRecord(offset, ts, key, value, headers) {
  const packed = headers.map(([n, v]) => `${n}:${pack(v)}`).join(',')
  say('record', offset, ts, pack(key), pack(value), packed === '' ? '-' : packed)
}

function sayMember(partition, offset, value) {
  say('member', partition, offset, pack(value))
}

async function serve(produce, consume, group) {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    const [command, ...words] = next.value.split(' ')
    const o = Object.fromEntries(words.map(w => {
      const at = w.indexOf('=')
      const text = w.slice(at + 1)
      return [w.slice(0, at), /^-?\d+$/.test(text) ? Number(text) : text]
    }))
    try {
      if (command === 'produce') {
        const records = []
        for (let i = 0; i < o.count; i++) {
          records.push(parseRecord((await lines.next()).value))
        }
        await produce(o, records)
      } else if (command === 'group') {
        await group(o)
      } else {
        await consume(o)
      }
    } catch (e) {
      console.error(e)
      say('failed', String(e.message ?? e).replace(/\s+/g, ' '))
    }
    say('done')
  }
  process.exit(0)
}

module.exports = { serve, say, sayMember, sayRecord }
