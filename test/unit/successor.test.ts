// The flush worker ends while writers are at work, and its successor begins rounds of other groups: a job's list of blocks stays as it
// is until the job is over, also if a former flush worker gave it.

import { InlineEngine } from '../support/inline-engine.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MemoryDevice } from '../support/memory-device.js'

const BLOCK = 512

/** Two partitions, each in a group of its own. */
function bench() {
  const devices = { a: new MemoryDevice(16 * BLOCK), b: new MemoryDevice(16 * BLOCK) }
  const engine = new InlineEngine({
    blocks: 32,
    partitions: {
      a: { device: devices.a, blockSize: BLOCK, group: 'one' },
      b: { device: devices.b, blockSize: BLOCK, group: 'two' },
    },
  })
  const write = (partition: 'a' | 'b', value: number, first = 0, count = 4) => {
    for (let block = first; block < first + count; block++)
      engine.client.partition(partition).writeSync(new Uint8Array(BLOCK).fill(value), block * BLOCK)
  }
  /** The first byte of each block on the disk. */
  const valuesOf = (partition: 'a' | 'b') =>
    Array.from({ length: 16 }, (_, block) => devices[partition].durable[block * BLOCK]!).join('')
  return { engine, devices, write, valuesOf }
}

const successor = suite('the successor of a flush worker')

successor('gives the writers of other groups lists of their own while a job of the former one waits', () => {
  const { engine, write, valuesOf } = bench()
  write('a', 1)
  engine.client.kick()
  engine.stepFlusher()
  assert.ok(engine.writers.some((writer) => writer.isAsked))
  engine.replaceFlusher()
  write('b', 2, 5)
  engine.client.kick()
  engine.settle()
  assert.equal([valuesOf('a'), valuesOf('b')], ['1111000000000000', '0000022220000000'])
  assert.equal(engine.checkQuiet(), [])
})

successor('the same while the job is being done', () => {
  const { engine, devices, write, valuesOf } = bench()
  write('a', 1)
  // The second run of neighbours comes after the first one was written.
  engine.client.partition('a').writeSync(new Uint8Array(BLOCK).fill(1), 12 * BLOCK)
  engine.client.kick()
  engine.stepFlusher()
  let isFirst = true
  devices.a.before = ({ kind }) => {
    if (kind !== 'write' || !isFirst) return
    isFirst = false
    engine.replaceFlusher()
    write('b', 2, 5, 6)
    engine.client.kick()
    engine.flusher.step()
  }
  engine.settle()
  assert.not(isFirst)
  assert.equal([valuesOf('a'), valuesOf('b')], ['1111000000001000', '0000022222200000'])
  assert.equal(engine.checkQuiet(), [])
})

successor.run()
