// Read-ahead step by step: what is requested after a thread's misses and its use of the marker.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ReadAhead, windowMax } from '#dist/core/blocks/read-ahead.js'
import type { Client } from '#dist/core/client/client.js'
import { InlineEngine } from '../support/inline-engine.js'
import { MemoryDevice } from '../support/memory-device.js'

const steps = suite('read-ahead, step by step')

/** A thread's read-ahead, and what it requests. */
function fresh(blocks = 10_000, window = 64) {
  const asked: [number, number][] = []
  const ahead = new ReadAhead(
    () => blocks,
    () => window,
    (block, count) => asked.push([block, count]),
  )
  /** Misses blocks in sequence, except those that were read together with an earlier one; returns the next block. */
  const miss = (first: number, count: number): number => {
    let block = first
    while (block < first + count) block += ahead.missed(block)
    return block
  }
  return { ahead, asked, miss }
}

steps(
  'the third miss in a row reads the blocks behind it and requests the first window; its use requests the next',
  () => {
    const { ahead, asked, miss } = fresh()
    miss(100, 2)
    assert.equal(asked, [])
    assert.is(ahead.missed(102), 4, 'three more blocks are read with it')
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

steps('misses at random positions request nothing', () => {
  const { ahead, asked } = fresh()
  for (let i = 0; i < 1000; i++) ahead.missed((i * 7919) % 10_000)
  // Two neighbours are no sequence.
  for (let i = 0; i < 1000; i += 10) for (const block of [i, i + 1]) assert.is(ahead.missed(block), 1)
  assert.equal(asked, [])
  assert.is(ahead.marker, -1)
})

steps('a range counts as one miss, and the first window is twice as long as the range', () => {
  const { ahead, asked } = fresh()
  assert.is(ahead.missed(500, 8), 8)
  assert.equal(asked, [])
  assert.equal([ahead.missed(0, 10), ahead.missed(10, 10), ahead.missed(20, 10)], [10, 10, 20])
  assert.equal(asked, [[40, 20]])
})

steps('it ends at the end of the partition', () => {
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

steps('a sequence survives a few misses elsewhere', () => {
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

steps('a second sequence replaces the first', () => {
  const { asked, miss } = fresh()
  miss(0, 3)
  miss(5000, 3)
  assert.equal(asked, [
    [6, 4],
    [5006, 4],
  ])
})

steps('after four windows that come too late it stops, and then needs a longer sequence', () => {
  const { ahead, asked, miss } = fresh()
  // The thread reads every block itself, whatever was requested.
  let block = miss(0, 3)
  while (ahead.marker >= 0) block = miss(block, 1)
  assert.ok(asked.length >= 4 && asked.length <= 6, `asked ${asked.length} times`)
  assert.ok(block < 200, `${block} blocks`)
  const { length } = asked
  assert.equal([ahead.missed(block), ahead.missed(block + 1)], [1, 1], 'it has stopped')
  block += 2
  for (let i = 0; i < 3; i++, block += 32)
    assert.is(ahead.missed(block), 32, 'the thread reads by itself, with one call')
  assert.is(asked.length, length)
  assert.is(ahead.missed(block), 4)
  assert.equal(asked.at(-1), [block + 4, 4])
  assert.is(ahead.missed(0), 1, 'elsewhere')
  miss(block + 4, 5000)
  assert.ok(asked.length < 350, `asked ${asked.length} times`)
})

steps('a thread that is faster than the reader loads the following blocks, up to two windows', () => {
  const { ahead, asked, miss } = fresh()
  miss(0, 3)
  ahead.reached()
  assert.equal(asked.at(-1), [10, 8])
  assert.equal(ahead.help(6, 6), { block: 18, count: 6 })
  assert.equal(ahead.help(6, 6), { block: 24, count: 2 })
  assert.is(ahead.help(6, 6).count, 0)
  assert.is(ahead.help(5000, 6).count, 0, 'a block outside the sequence')
  ahead.reached()
  assert.equal(asked.at(-1), [26, 16])
  assert.is(fresh().ahead.help(6, 6).count, 0)
})

steps('nothing is read ahead if the cache is small or read-ahead is off', () => {
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

/** A cache of 512 blocks over more than 10 times as many; the second client stands for another thread. */
function cache(): { engine: InlineEngine; scanner: Client } {
  const device = new MemoryDevice(512 * BLOCKS * 16)
  for (let block = 0; block < BLOCKS * 16; block++)
    device.prepare(new Uint8Array(Int32Array.of(block).buffer), block * 512)
  const engine = new InlineEngine({ blocks: BLOCKS, partitions: { a: { device, blockSize: 512 } } })
  return { engine, scanner: engine.attach() }
}

/** Reads a block and verifies it; true if it was cached. */
function read(client: Client, block: number): boolean {
  const partition = client.partition('a')
  using guard = partition.tryAcquire(block, 'read')
  if (guard !== undefined) return numberIn(guard.data) === block
  using loaded = partition.acquireSync(block, 'read')
  assert.is(numberIn(loaded.data), block)
  return false
}

const numberIn = (data: Uint8Array): number => new DataView(data.buffer, data.byteOffset).getInt32(0, true)

scans('the blocks of a scan are read ahead', () => {
  const { engine, scanner } = cache()
  let there = 0
  for (let block = 0; block < 2000; block++) {
    if (read(scanner, block)) there++
    engine.stepReader()
  }
  const { prefetch, diskReads } = engine.client.stats()
  assert.ok(there >= 1990, `${there} of 2000 blocks were cached`)
  assert.ok(prefetch.loaded >= there && prefetch.unused === 0 && prefetch.dropped === 0)
  assert.ok(diskReads <= 2000 + 2 * (BLOCKS / 32), `${diskReads} blocks were read`)
  assert.equal(engine.checkQuiet(), [])
})

scans('a scan of ten times the cache costs the working set of another thread at most 2 points', () => {
  const { engine, scanner } = cache()
  const working = (i: number) => BLOCKS * 12 + ((i * 101) % (BLOCKS / 2))
  let accesses = 0
  /** Makes four accesses to the working set; how many were hits. */
  const work = () => {
    let hits = 0
    for (let i = 0; i < 4; i++) if (read(engine.client, working(accesses++))) hits++
    return hits
  }
  // As in a warm cache: the working set has been evicted and read again once.
  for (let block = 0; block < BLOCKS * 2; block++) {
    work()
    read(engine.client, BLOCKS * 13 + ((block * 7919) % (BLOCKS * 2)))
  }
  let before = 0
  for (let i = 0; i < BLOCKS * 4; i++) before += work()
  let during = 0
  for (let block = 0; block < BLOCKS * 10; block++) {
    read(scanner, block)
    engine.stepReader()
    during += work()
  }
  const [ratio, scanRatio] = [before / (BLOCKS * 16), during / (BLOCKS * 40)]
  console.log(
    `\n# hit ratio ${(100 * ratio).toFixed(1)} %, during the scan ${(100 * scanRatio).toFixed(1)} %`,
  )
  assert.ok(ratio > 0.95)
  assert.ok(ratio - scanRatio <= 0.02, `${ratio} before, ${scanRatio} during the scan`)
  const { prefetch } = engine.client.stats()
  assert.ok(prefetch.loaded > BLOCKS * 9 && prefetch.unused < prefetch.loaded / 100)
  assert.equal(engine.checkQuiet(), [])
})

scans.run()
