// Copying part of a cached block: validated by its version on x64, under a pin on other processors. Both ways have the same
// results and leave nothing latched.

import { InlineEngine } from '../support/inline-engine.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { copyHit } from '#dist/core/blocks/copy.js'
import { keyLowOf, keyHighOf } from '#dist/shared/key.js'
import { MemoryDevice } from '../support/memory-device.js'
import { inThreads } from '../support/threads.js'
import { Frame } from '#dist/shared/words.js'
import type { Reads } from './workers/copy.js'

const SIZE = 512
const module = import.meta.resolve('#dist/core/blocks/copy.js')
const bodies = import.meta.resolve('./workers/copy.js')

type Copy = typeof copyHit

/** The copy function that a thread on this processor uses. */
async function copyOn(arch: string): Promise<Copy> {
  const real = Object.getOwnPropertyDescriptor(process, 'arch')!
  Object.defineProperty(process, 'arch', { ...real, value: arch })
  try {
    return ((await import(`${module}?${arch}`)) as { copyHit: Copy }).copyHit
  } finally {
    Object.defineProperty(process, 'arch', real)
  }
}

const copiers = { x64: await copyOn('x64'), arm64: await copyOn('arm64') }

for (const [arch, copier] of Object.entries(copiers)) {
  const copying = suite(`a copy on ${arch}`)

  /** Block 0 is cached, block 1 is not; the value of each byte is its position. */
  const fresh = () => {
    const device = new MemoryDevice(64 * SIZE)
    device.prepare(Uint8Array.from({ length: 64 * SIZE }, (_, i) => i & 255))
    const engine = new InlineEngine({ blocks: 64, partitions: { a: { device, blockSize: SIZE } } })
    const a = engine.client.partition('a')
    a.readSync(new Uint8Array(1), 0)
    const other = engine.attach().partition('a')
    const copy = (block: number, start: number, target: Uint8Array, at = 0, length = target.length - at) =>
      copier(engine.context, a.view, keyHighOf(0, block), keyLowOf(block), { start, length, at }, target)
    const isQuiet = () => {
      assert.is(engine.context.slot.guards, 0)
      assert.equal(engine.checkQuiet(), [])
    }
    return { engine, a, other, copy, isQuiet }
  }

  copying('has the requested bytes, few or many', () => {
    const { copy, isQuiet } = fresh()
    for (const length of [0, 1, 32, 33, SIZE - 7]) {
      const target = new Uint8Array(3 + length)
      assert.ok(copy(0, 7, target, 3) >= 0)
      assert.equal([...target], [0, 0, 0, ...Array.from({ length }, (_, i) => (7 + i) & 255)])
    }
    isQuiet()
  })

  copying('is not made of an absent block', () => {
    const { copy, isQuiet } = fresh()
    assert.is(copy(1, 0, new Uint8Array(8)), -1)
    isQuiet()
  })

  copying('is not made of a block that is being changed', () => {
    const { copy, other, isQuiet } = fresh()
    const guard = other.acquireSync(0, 'modify')
    assert.is(copy(0, 0, new Uint8Array(8)), -1)
    guard.release()
    assert.ok(copy(0, 0, new Uint8Array(8)) >= 0)
    isQuiet()
  })

  copying('is made of a block that other threads read, and leaves their pins', () => {
    const { engine, copy, other, isQuiet } = fresh()
    const guard = other.acquireSync(0, 'read')
    const frame = copy(0, 0, new Uint8Array(8))
    const latchAt = engine.arena.frameAt(frame) + Frame.latch
    assert.is(engine.arena.words[latchAt], 1, 'one pin')
    guard.release()
    isQuiet()
  })

  copying('leaves nothing latched when it fails because its buffer was detached', () => {
    const { copy, isQuiet } = fresh()
    const target = new Uint8Array(100)
    structuredClone(target.buffer, { transfer: [target.buffer] })
    assert.throws(() => copy(0, 0, target, 0, 100))
    isQuiet()
  })

  copying('takes no guard in read and readSync of cached blocks', async () => {
    const [reads] = await inThreads<Reads>(bodies, 'readsOn', {
      threads: 1,
      buffer: new SharedArrayBuffer(4),
      args: arch,
    })
    assert.equal(reads, { hits: 8, misses: 0, points: [], sum: 4 * 8 + 4 * SIZE })
  })

  copying.run()
}
