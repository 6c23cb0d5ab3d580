// The memory map: regions do not overlap, take little memory compared with the frames, and a foreign buffer is refused.

import { isBufferFor } from '#dist/shared/buffer.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Arena } from '#dist/shared/arena.js'
import { geometryOf, parseOptions } from '#dist/shared/config.js'
import { CacheError } from '#dist/shared/errors.js'
import type { CacheOptions } from '#dist/shared/options.js'
import { type Geometry, GEOMETRY_FIELDS, type Layout, layoutOf } from '#dist/shared/layout.js'
import { openSmall, options, smallArena } from '../support/small-context.js'
import { Frame, Group, Header, Job, Partition, Slot, Spare } from '#dist/shared/words.js'

const geometry = (more: Partial<CacheOptions> = {}): Geometry => geometryOf(parseOptions(options(more)))
const isCode = (code: string) => (error: unknown) => error instanceof CacheError && error.code === code

/** The minimum size of each region by name, from the geometry alone. */
function needs(g: Geometry): Record<string, number> {
  const words = (count: number, each: number): number => count * each * 4
  return {
    header: words(1, Header.WORDS),
    partitions: words(g.partitions, Partition.WORDS),
    jobs: words(g.writers, Job.WORDS),
    groups: words(g.groups, Group.WORDS),
    stripes: words(g.stripes, 16),
    slots: words(g.slots, Slot.WORDS),
    names: g.slots * 64,
    journals: words(g.slots, 256),
    waits: g.slots * 320 * 16,
    notes: words(g.slots, 64),
    hints: words(g.slots * 8, 4),
    counters: g.slots * 14 * 8,
    stalls: words(g.slots, 128),
    latencies: words(g.partitions * 2, 128),
    recordLatencies: words(g.groups, 128),
    groupCounters: g.groups * 8,
    frames: words(g.blocks, Frame.WORDS),
    spares: words(g.spares, Spare.WORDS),
    buckets: words(g.buckets, 1),
    policy: words(g.blocks, 1),
    owners: words(g.blocks, 3),
    ghosts: words(g.ghostWords, 1),
    plan: words(g.blocks, 1),
    events: words(16 + 64 * 8, 1),
    trace: g.traceEntries === 0 ? 0 : words(16 + g.traceEntries * 16, 1),
    data: (g.blocks + g.spares) * g.frameSize,
    partitionNames: g.partitions * 4096,
    partitionCounters: (g.slots + 1) * g.partitions * 8 * 8,
  }
}

test('regions are aligned, in order, large enough, and do not overlap', () => {
  const cases = [
    {},
    { policy: 'lru2', threads: 1 },
    { policy: 'adaptive', memory: '1MiB' },
    { memory: '3MiB', traceEntries: 64, threads: 7, writeOrder: ['only'] },
    {
      memory: '10MiB',
      partitions: { a: { path: 'a', blockSize: 512 }, b: { path: 'b', blockSize: 65536, group: 'x' } },
    },
    { memory: '77MiB', policy: 'lru2', partitions: { a: { path: 'a', blockSize: 8192 } } },
  ] as const satisfies Partial<CacheOptions>[]
  for (const more of cases) {
    const g = geometry(more)
    const layout: Layout = layoutOf(g)
    let end = 0
    for (const [name, bytes] of Object.entries(needs(g))) {
      const start = layout[name as keyof Layout]
      assert.is(start % (name === 'data' ? 4096 : 64), 0, `${name} at ${start}`)
      assert.ok(start >= end, `${name} begins at ${start}, the one before it ends at ${end}`)
      end = start + bytes
    }
    assert.is(layout.totalBytes, end)
    assert.is(layout.dataStart, layout.data)
    const names = Object.keys(layout).filter((name) => name !== 'dataStart' && name !== 'totalBytes')
    assert.equal(names, Object.keys(needs(g)), 'the test knows every region')
  }
})

test('at most 2.4 % of the buffer is not frames, with 8 KiB blocks and 64 threads, from 64 MiB up', () => {
  // The number of buckets is a power of two: their share is largest where the number of blocks has just passed one.
  const sizes = [64, 65, 70, 100, 128, 137, 140, 256, 274, 1024, 1100, 4096, 10_000, 16_384, 65_536]
  for (const policy of ['lru2', 'adaptive'] as const) {
    let most = 0
    for (const mib of sizes) {
      const partitions = { a: { path: 'a', blockSize: 8192 }, b: { path: 'b', blockSize: 512, group: 'b' } }
      const g = geometry({ memory: `${mib}MiB`, partitions, policy, threads: 64 })
      const { dataStart, totalBytes } = layoutOf(g)
      assert.is((g.blocks + g.spares) * g.frameSize, mib * 2 ** 20)
      most = Math.max(most, dataStart / totalBytes)
    }
    assert.ok(most <= 0.024, `${policy}: ${most}`)
    console.log(`\n# ${policy}: at most ${(100 * most).toFixed(2)} % of the buffer is not frames`)
  }
})

test('ghosts take memory only with the policy that has them', () => {
  assert.is(geometry({ policy: 'lru2' }).ghostWords, 0)
  for (const memory of ['4KiB', '77MiB']) {
    const { blocks, ghostWords } = geometry({ policy: 'adaptive', memory })
    // Two for each block, in whole sets of eight, at least four sets.
    assert.ok(ghostWords >= 4 * blocks && ghostWords <= Math.max(64, 4 * blocks + 16), `${ghostWords}`)
    assert.is(ghostWords % 16, 0)
  }
})

test('more words than one typed array can address are refused', () => {
  const g = { ...geometry(), blocks: 2 ** 26, buckets: 2 ** 26, spares: 2 ** 22, frameSize: 512 }
  assert.throws(() => layoutOf(g), isCode('ERR_DCACHE_MEMORY'))
})

test('a thread that opens the buffer computes the same map', () => {
  const partitions = { a: { path: 'a', blockSize: 512 }, b: { path: 'b', blockSize: 4096, group: 'x' } }
  for (const policy of ['lru2', 'adaptive'] as const) {
    const made = smallArena({ memory: '1MiB', partitions, policy, threads: 9, traceEntries: 16 })
    const opened = openSmall(made.buffer)
    assert.equal(opened.geometry, made.geometry)
    assert.equal(opened.layout, made.layout)
    assert.is(opened.words.length, made.words.length)
    assert.equal(Object.keys(made.geometry).sort(), [...GEOMETRY_FIELDS].sort())
  }
})

test('frames and spares have bytes of their own', () => {
  const { buffer, geometry: g, ...made } = smallArena()
  const arena = openSmall(buffer)
  assert.ok(isBufferFor(buffer.byteLength, made.layout.totalBytes))
  const count = g.blocks + g.spares
  for (let i = 0; i < count; i++) arena.view(i, g.frameSize).fill(i + 1)
  for (let i = 0; i < count; i++) {
    const offset = arena.offset(i)
    const bytes = arena.segment(i).subarray(offset, offset + g.frameSize)
    assert.ok(bytes.length === g.frameSize && bytes.every((byte) => byte === i + 1))
  }
  assert.ok(arena.words.subarray(arena.framesAt).every((word, i) => word === made.words[made.framesAt + i]))
})

test('a foreign buffer is refused', () => {
  const open =
    (change: (words: Int32Array) => void, low = 1, high = 2) =>
    () => {
      const { buffer } = smallArena()
      change(new Int32Array(buffer))
      Arena.open({ buffer }, low, high)
    }
  open(() => undefined)()
  const foreign = isCode('ERR_DCACHE_BAD_HANDLE')
  assert.throws(() => Arena.open({ buffer: new SharedArrayBuffer(16) }, 1, 2), foreign)
  assert.throws(() => Arena.open({ buffer: new SharedArrayBuffer(65_536) }, 1, 2), foreign)
  assert.throws(
    open((words) => (words[Header.magic] = 1)),
    foreign,
  )
  assert.throws(
    open((words) => words[Header.version]!++),
    isCode('ERR_DCACHE_VERSION'),
  )
  assert.throws(
    open(() => undefined, 2, 2),
    foreign,
  )
  assert.throws(
    open(() => undefined, 1, 3),
    foreign,
  )
  assert.throws(
    open((words) => (words[Header.blocks]! *= 10)),
    foreign,
  )
})

test.run()
