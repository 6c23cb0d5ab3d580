// Read-ahead step by step: what a thread's misses and its use of the marker make it ask for.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ReadAhead, windowMax } from '#dist/core/blocks/read-ahead.js'
import type { Client } from '#dist/core/client/client.js'
import { InlineEngine } from '../support/inline-engine.js'
import { MemoryDevice } from '../support/memory-device.js'

const steps = suite('read-ahead, step by step')

/** A thread's read-ahead, and what it asks for. */
function fresh(blocks = 10_000, window = 64) {
  const asked: [number, number][] = []
  const ahead = new ReadAhead(blocks, window, (block, count) => asked.push([block, count]))
  /** Misses one block after the other, but for those that came together with one before; where it comes to. */
  const miss = (first: number, count: number): number => {
    let block = first
    while (block < first + count) block += ahead.missed(block)
    return block
  }
  return { ahead, asked, miss }
}

steps(
  'the third miss in a row brings what is behind it, and asks for the first window; its use asks for the next',
  () => {
    const { ahead, asked, miss } = fresh()
    miss(100, 2)
    assert.equal(asked, [])
    assert.is(ahead.missed(102), 4, 'three blocks come with it')
    for (const [begin, count] of [
      [106, 4],
      [110, 8],
      [118, 16],
      [134, 32],
      [166, 64],
      [230, 64],
    ] as const) {
      assert.equal(asked.at(-1), [begin, count])
      assert.is(ahead.marker, begin)
      ahead.reached()
    }
  },
)

steps('misses at random places ask for nothing', () => {
  const { ahead, asked } = fresh()
  for (let i = 0; i < 1000; i++) ahead.missed((i * 7919) % 10_000)
  // Two neighbours are no sequence either.
  for (let i = 0; i < 1000; i += 10) for (const block of [i, i + 1]) assert.is(ahead.missed(block), 1)
  assert.equal(asked, [])
  assert.is(ahead.marker, -1)
})

steps('a range is one miss, however long: the first window is twice as long as it', () => {
  const { ahead, asked } = fresh()
  assert.is(ahead.missed(500, 8), 8)
  assert.equal(asked, [])
  assert.equal([ahead.missed(0, 10), ahead.missed(10, 10), ahead.missed(20, 10)], [10, 10, 20])
  assert.equal(asked, [[40, 20]])
})

steps('it ends with the partition', () => {
  const { ahead, asked, miss } = fresh(15)
  miss(0, 3)
  ahead.reached()
  ahead.reached()
  assert.equal(asked, [
    [6, 4],
    [10, 5],
  ])
  assert.is(ahead.marker, -1)
})

steps('a sequence stands some misses elsewhere, not many', () => {
  const { ahead, asked, miss } = fresh()
  miss(0, 3)
  for (let i = 0; i < 8; i++) ahead.missed(1000 + 10 * i)
  assert.is(ahead.marker, 6)
  ahead.reached()
  for (let i = 0; i < 9; i++) ahead.missed(2000 + 10 * i)
  assert.is(ahead.marker, -1)
  miss(10, 3)
  assert.equal(asked, [
    [6, 4],
    [10, 8],
    [16, 4],
  ])
})

steps('another sequence takes over', () => {
  const { asked, miss } = fresh()
  miss(0, 3)
  miss(5000, 3)
  assert.equal(asked, [
    [6, 4],
    [5006, 4],
  ])
})

steps('after four windows that come too late it ends, and the next needs a longer sequence', () => {
  const { ahead, asked, miss } = fresh()
  // The thread reads all of it itself, whatever is asked for.
  let block = miss(0, 3)
  while (ahead.marker >= 0) block = miss(block, 1)
  assert.ok(asked.length >= 4 && asked.length <= 6, `asked ${asked.length} times`)
  assert.ok(block < 200, `${block} blocks`)
  const { length } = asked
  assert.equal([ahead.missed(block), ahead.missed(block + 1)], [1, 1], 'given up')
  block += 2
  for (let i = 0; i < 3; i++, block += 32) assert.is(ahead.missed(block), 32, 'it reads alone, with one call')
  assert.is(asked.length, length)
  assert.is(ahead.missed(block), 4)
  assert.equal(asked.at(-1), [block + 4, 4])
  assert.is(ahead.missed(0), 1, 'elsewhere')
  miss(block + 4, 5000)
  assert.ok(asked.length < 350, `asked ${asked.length} times`)
})

steps('a thread that is faster than the reader loads what comes behind, twice a window at most', () => {
  const { ahead, asked, miss } = fresh()
  miss(0, 3)
  ahead.reached()
  assert.equal(asked.at(-1), [10, 8])
  assert.equal(ahead.help(6, 6), { block: 18, count: 6 })
  assert.equal(ahead.help(6, 6), { block: 24, count: 2 })
  assert.is(ahead.help(6, 6).count, 0)
  assert.is(ahead.help(5000, 6).count, 0, 'another block than of the sequence')
  ahead.reached()
  assert.equal(asked.at(-1), [26, 16])
  assert.is(fresh().ahead.help(6, 6).count, 0)
})

steps('where the cache is small, or it is turned off, nothing is read ahead', () => {
  assert.is(windowMax(159, 2 ** 20, 512), 0)
  assert.is(windowMax(160, 2 ** 20, 512), 4)
  assert.is(windowMax(100_000, 2 ** 20, 8192), 128)
  assert.is(windowMax(100_000, 0, 8192), 0)
  assert.is(windowMax(100_000, 3 * 8192, 8192), 0)
  const { ahead, asked } = fresh(1000, 0)
  for (let block = 0; block < 100; block++) ahead.missed(block)
  assert.equal(asked, [])
})

steps.run()

const scans = suite('scans')

const BLOCKS = 512

/** A cache of 512 blocks over 10 times as many, and more; the second client is another thread. */
function cache(): { engine: InlineEngine; scanner: Client } {
  const device = new MemoryDevice(512 * BLOCKS * 16)
  for (let block = 0; block < BLOCKS * 16; block++)
    device.prepare(new Uint8Array(Int32Array.of(block).buffer), block * 512)
  const engine = new InlineEngine({ blocks: BLOCKS, partitions: { a: { device, blockSize: 512 } } })
  return { engine, scanner: engine.attach() }
}

/** Reads a block and sees that it is the right one; true if it was there. */
function read(client: Client, block: number): boolean {
  const partition = client.partition('a')
  using guard = partition.tryAcquire(block, 'read')
  if (guard !== undefined) return numberIn(guard.data) === block
  using loaded = partition.acquireSync(block, 'read')
  assert.is(numberIn(loaded.data), block)
  return false
}

const numberIn = (data: Uint8Array): number => new DataView(data.buffer, data.byteOffset).getInt32(0, true)

scans('a thread that scans is read ahead of', () => {
  const { engine, scanner } = cache()
  let there = 0
  for (let block = 0; block < 2000; block++) {
    if (read(scanner, block)) there++
    engine.stepReader()
  }
  const { prefetch, diskReads } = engine.client.stats()
  assert.ok(there >= 1990, `${there} of 2000 blocks were there`)
  assert.ok(prefetch.loaded >= there && prefetch.unused === 0 && prefetch.dropped === 0)
  assert.ok(diskReads <= 2000 + 2 * (BLOCKS / 32), `${diskReads} blocks were read`)
  assert.equal(engine.checkQuiet(), [])
})

scans('a scan of ten times the cache costs the working set of another thread at most 2 points', () => {
  const { engine, scanner } = cache()
  const working = (i: number) => BLOCKS * 12 + ((i * 101) % (BLOCKS / 2))
  let accesses = 0
  /** Four accesses of the working set; how many were hits. */
  const work = () => {
    let hits = 0
    for (let i = 0; i < 4; i++) if (read(engine.client, working(accesses++))) hits++
    return hits
  }
  // As in a cache that is not new: the working set has come back once, beside other blocks.
  for (let block = 0; block < BLOCKS * 2; block++) {
    work()
    read(engine.client, BLOCKS * 13 + ((block * 7919) % (BLOCKS * 2)))
  }
  let before = 0
  for (let i = 0; i < BLOCKS * 4; i++) before += work()
  let beside = 0
  for (let block = 0; block < BLOCKS * 10; block++) {
    read(scanner, block)
    engine.stepReader()
    beside += work()
  }
  const [ratio, scanRatio] = [before / (BLOCKS * 16), beside / (BLOCKS * 40)]
  console.log(
    `\n# hit ratio ${(100 * ratio).toFixed(1)} %, beside the scan ${(100 * scanRatio).toFixed(1)} %`,
  )
  assert.ok(ratio > 0.95)
  assert.ok(ratio - scanRatio <= 0.02, `${ratio} before, ${scanRatio} beside the scan`)
  const { prefetch } = engine.client.stats()
  assert.ok(prefetch.loaded > BLOCKS * 9 && prefetch.unused < prefetch.loaded / 100)
  assert.equal(engine.checkQuiet(), [])
})

scans.run()
