// What a guard promises: zeros of an absent block that is overwritten, changes that are dropped or kept, discarded
// changes, declared ranges, `using`.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertSound, blockBytes, copyOf, until, withCache } from '../support/open.js'

const ZEROS = new Uint8Array(512)
const full = (byte: number) => new Uint8Array(512).fill(byte)

const overwriting = suite('overwrite')

for (const end of ['release', 'discard'] as const) {
  overwriting(`of an absent block, ${end} without a mark: the block is dropped, never kept as zeros`, () =>
    withCache({}, async ({ cache, data, onDisk }) => {
      const guard = await data.acquire(3, 'overwrite')
      guard.data.fill(9)
      guard[end]()
      assert.is(data.tryAcquire(3, 'read'), undefined)
      assertSound(cache)
      await cache.flush()
      assert.is(cache.stats().diskWrites, 0)
      using again = await data.acquire(3, 'read')
      assert.equal(copyOf(again.data), blockBytes(3))
      assert.equal(onDisk(3), blockBytes(3))
    }),
  )
}

overwriting('a part of an absent block: the rest is zeros', () =>
  withCache({}, async ({ cache, data, onDisk }) => {
    {
      using guard = await data.acquire(3, 'overwrite')
      guard.data.fill(9, 100, 200)
      guard.markDirty()
    }
    await cache.flush()
    const expected = new Uint8Array(512).fill(9, 100, 200)
    assert.equal(onDisk(3), expected)
    assert.is(cache.stats().diskReads, 0)
  }),
)

overwriting('of a dirty block shows its contents', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512)
    {
      using guard = await data.acquire(3, 'overwrite')
      assert.equal(copyOf(guard.data), full(5))
      guard.data[0] = 6
      guard.markDirty()
    }
    await cache.flush()
    assert.is(onDisk(3)[0], 6)
    assert.is(onDisk(3)[1], 5)
  }),
)

overwriting.run()

const discarding = suite('discard')

discarding('of a clean block: what the disk has', () =>
  withCache({}, async ({ cache, data }) => {
    for (const mode of ['modify', 'overwrite'] as const) {
      ;(await data.acquire(3, 'read')).release()
      const guard = await data.acquire(3, mode)
      guard.data.fill(9)
      guard.markDirty()
      guard.discard()
      assert.is(cache.stats().dirty, 0)
      using again = await data.acquire(3, 'read')
      assert.equal(copyOf(again.data), blockBytes(3))
    }
  }),
)

discarding('of a dirty block: what it was at its last release', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512, 'directory')
    for (const mode of ['modify', 'overwrite'] as const) {
      const guard = await data.acquire(3, mode)
      guard.data.fill(9)
      guard.markDirty('trailer')
      guard.discard()
      await until('what was released', () => cache.stats().dirty === 1)
      using again = await data.acquire(3, 'read')
      assert.equal(copyOf(again.data), full(5))
    }
    await cache.flush()
    assert.equal(onDisk(3), full(5))
  }),
)

discarding('of a block that was dirty, and is written while it is being changed', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512)
    const guard = await data.acquire(3, 'modify')
    guard.data.fill(9)
    await cache.flush()
    assert.equal(
      onDisk(3),
      full(5),
      'a held guard does not delay a flush, and what it changes is not written',
    )
    guard.discard()
    using again = await data.acquire(3, 'read')
    assert.equal(copyOf(again.data), full(5))
  }),
)

discarding('of a read guard is a release', () =>
  withCache({}, async ({ data }) => {
    ;(await data.acquire(3, 'read')).discard()
    using again = await data.acquire(3, 'modify')
    assert.equal(copyOf(again.data), blockBytes(3))
  }),
)

discarding('modify without a mark keeps what is there', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data }) => {
    ;(await data.acquire(3, 'modify')).release()
    assert.is(cache.stats().dirty, 0)
    await data.write(full(5), 3 * 512)
    ;(await data.acquire(3, 'modify')).release()
    await until('what was released', () => cache.stats().dirty === 1)
    await cache.flush()
  }),
)

discarding.run()

const ranges = suite('declared ranges')

ranges('only these bytes are put back', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512)
    for (const [start, length] of [
      [0, 512],
      [10, 20],
      [500, 12],
      [0, 1],
      [511, 1],
      [512, 0],
      [100, undefined],
    ] as const) {
      const guard = await data.acquire(3, 'modify', length === undefined ? { start } : { start, length })
      guard.data.fill(9, start, start + (length ?? 512))
      guard.discard()
      using again = await data.acquire(3, 'read')
      assert.equal(copyOf(again.data), full(5), `${start}, ${length ?? 'to the end'}`)
    }
    await cache.flush()
    assert.equal(onDisk(3), full(5))
  }),
)

ranges('a round that owes the block writes it as it was, whole', () =>
  withCache({ flushDelayMs: 1e9, writeOrder: ['a', 'b'] }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 3 * 512, 'a')
    const guard = await data.acquire(3, 'modify', { start: 8, length: 8 })
    guard.data.fill(9, 8, 16)
    await cache.flush()
    assert.equal(onDisk(3), full(5))
    guard.markDirty('b')
    guard.release()
    await cache.flush()
    assert.equal(onDisk(3), new Uint8Array(512).fill(5).fill(9, 8, 16))
  }),
)

ranges('an image that is kept for a round is whole, when the class changes', () =>
  withCache({ flushDelayMs: 1e9, writeOrder: ['a', 'b'] }, async ({ cache, data, onDisk, arena }) => {
    const { geometry } = arena
    await data.write(full(5), 3 * 512, 'b')
    const guard = await data.acquire(3, 'modify', { start: 8, length: 8 })
    guard.data.fill(9, 8, 16)
    guard.markDirty('a')
    guard.release()
    // The bytes of a spare stay what they are when it is freed: the round may be over by now.
    const images = Array.from({ length: geometry.spares }, (_, spare) =>
      copyOf(arena.view(geometry.blocks + spare, 512)),
    )
    assert.ok(
      images.some((image) => Buffer.compare(image, full(5)) === 0),
      'a whole image',
    )
    await cache.flush()
    assert.equal(onDisk(3), new Uint8Array(512).fill(5).fill(9, 8, 16))
    assert.is(cache.stats().diskWrites, 2)
  }),
)

ranges.run()

const using_ = suite('using')

using_('a block is released at the end of its scope, also after an error', () =>
  withCache({}, async ({ cache, data, onDisk }) => {
    try {
      using guard = await data.acquire(3, 'modify')
      guard.data.fill(8)
      guard.markDirty()
      throw new Error('on the way')
    } catch (error) {
      assert.is((error as Error).message, 'on the way')
    }
    assertSound(cache)
    await cache.flush()
    assert.equal(onDisk(3), full(8))
  }),
)

using_('a release before the end of the scope is enough', () =>
  withCache({}, async ({ cache, data }) => {
    for (const end of ['release', 'discard'] as const) {
      using guard = await data.acquire(3, 'modify')
      guard[end]()
      assert.is(guard.block, 3)
    }
    assertSound(cache)
  }),
)

using_.run()

const forgetting = suite('forget')

forgetting('drops blocks, dirty or not, and leaves held ones', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await data.write(full(5), 0)
    await data.write(full(6), 512)
    await data.write(full(7), 1024)
    const held = await data.acquire(1, 'read')
    data.forget(0, 2)
    await until('what was released', () => cache.stats().dirty === 2)
    held.release()
    await cache.flush()
    assert.equal(onDisk(0), blockBytes(0))
    assert.equal(onDisk(1), full(6))
    assert.equal(onDisk(2), full(7))
    using guard = await data.acquire(0, 'read')
    assert.equal(copyOf(guard.data), blockBytes(0))
  }),
)

forgetting('a forgotten block can be written again', () =>
  withCache({ cached: 4, dirtyLimit: 1, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    for (let i = 1; i < 60; i++) {
      await data.write(full(i), (i % 4) * 512)
      if (i % 3 === 0) data.forget(0, 64)
    }
    await data.write(full(200), 0)
    await cache.flush()
    assert.equal(onDisk(0), full(200))
    const guards = await Promise.all([10, 11, 12, 13].map((block) => data.acquire(block, 'read')))
    for (const guard of guards) guard.release()
    const { free, total } = cache.stats().spares
    assert.is(free, total)
  }),
)

forgetting('prefetch is a hint: it changes nothing that can be seen', () =>
  withCache({ cached: 8 }, async ({ cache, data }) => {
    data.prefetch(0, 64)
    data.prefetch(63, 1)
    data.prefetch(5, 0)
    // Nobody is in before the reader has begun, too.
    await until('the reads', () => {
      const { prefetch, blocks } = cache.stats()
      return prefetch.loaded + prefetch.dropped === 65 && blocks.held === 0
    })
    using guard = await data.acquire(40, 'read')
    assert.equal(copyOf(guard.data), blockBytes(40))
    assert.equal(copyOf(guard.data).length, ZEROS.length)
  }),
)

forgetting.run()
