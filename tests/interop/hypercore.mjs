// Reads a copy of an audit log with npm's hypercore, and appends to it.
//
// usage: node hypercore.mjs <folder> <expected length>
// Ends with 0 and one line of JSON where everything agrees.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Hypercore from 'hypercore'
import RAM from 'random-access-memory'

const [folder, length] = [process.argv[2], Number(process.argv[3])]
/** Sending all blocks to another core is slow, so of a long log only so many are sent. */
const SENT_MAX = 2000

const data = readFileSync(join(folder, 'data'))
const lines = split(data)
const core = new Hypercore(folder)
await core.ready()
assert.equal(core.length, length, 'length')
assert.equal(core.contiguousLength, length, 'contiguous length')
assert.equal(core.writable, true, 'writable')
for (let i = 0; i < core.length; i++) {
  assert.ok((await core.get(i)).equals(lines[i]), `block ${i} is line ${i} of data`)
}
assert.deepEqual(await core.core.audit(), { tree: 0, blocks: 0 }, 'corrections')
await send(core)

const more = Buffer.from('{"appended":"by hypercore"}\n')
await core.append(more)
await core.close()

const again = new Hypercore(folder)
await again.ready()
assert.equal(again.length, length + 1, 'length after an append')
assert.ok((await again.get(length)).equals(more), 'the appended block')
console.log(JSON.stringify({ key: again.key.toString('hex'), length: again.length }))
await again.close()

/** Sends blocks to a core that knows nothing but the key, and so checks every proof. */
async function send (from) {
  const to = new Hypercore(RAM, from.key)
  await to.ready()
  const [a, b] = [from.replicate(true, { keepAlive: false }), to.replicate(false, { keepAlive: false })]
  a.pipe(b).pipe(a)
  await to.update({ wait: true })
  assert.equal(to.length, from.length, 'length at the other core')
  const start = Math.max(0, from.length - SENT_MAX)
  for (let i = start; i < from.length; i++) {
    assert.ok((await to.get(i)).equals(lines[i]), `block ${i} at the other core`)
  }
  await to.close()
  a.destroy()
  b.destroy()
}

/** The lines of a buffer, each with its newline. */
function split (buffer) {
  const lines = []
  for (let start = 0; start < buffer.length;) {
    const end = buffer.indexOf(10, start) + 1
    if (end === 0) break
    lines.push(buffer.subarray(start, end))
    start = end
  }
  return lines
}
