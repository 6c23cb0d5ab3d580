// The parts of the load generator: random numbers, patterns, stamps, and the verification of the files, which must find
// every kind of error in them.

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs' // prettier-ignore
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type CacheClient, openCache } from 'dcache'
import { Board } from '#dist/workload/board.js'
import { Grower } from '#dist/workload/grower.js'
import { blockSource, scattered, zipf } from '#dist/workload/pattern.js'
import { Random } from '#dist/workload/random.js'
import { newestStamp, STAMP_BYTES, writeStamp } from '#dist/workload/stamp.js'
import { Truth } from '#dist/workload/truth.js'
import { learn, MISMATCHES_MAX, verify } from '#dist/workload/verify.js'
import { runLoad } from '#dist/workload/workload.js'
import { parsePartition, parsePattern } from '#dist/cli/load-settings.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const BLOCK = 4096
const BLOCKS = 300 // more than one chunk of the verification

/** A folder with one file of random bytes, as a partition. */
function someFile() {
  const folder = mkdtempSync(join(tmpdir(), 'dcache-test-'))
  const path = join(folder, 'file')
  const bytes = new Uint8Array(BLOCK * BLOCKS)
  new Random(7, 0).fill(bytes)
  writeFileSync(path, bytes)
  return {
    file: { name: 'p', path, blockSize: BLOCK, blocks: BLOCKS },
    /** Changes one byte. */
    spoil(block: number) {
      const fd = openSync(path, 'r+')
      const at = block * BLOCK + 100
      writeSync(fd, Uint8Array.of(readFileSync(path)[at]! ^ 1), 0, 1, at)
      closeSync(fd)
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const PLAN = {
  pattern: parsePattern('zipf:0.99'),
  reads: 0.5,
  classChanges: 1 / 64,
  seed: 3,
  ops: 3000,
  trace: undefined,
}

test('random numbers depend only on seed and stream', () => {
  const first = (seed: number, stream: number) => {
    const random = new Random(seed, stream)
    return [random.word(), random.word(), random.unit(), random.below(1000)].join()
  }
  assert.is(first(1, 2), first(1, 2))
  assert.is(new Set([first(1, 2), first(2, 1), first(1, 3), first(2, 2)]).size, 4)
  const random = new Random(5, 5)
  const tens = new Array<number>(10).fill(0)
  for (let i = 0; i < 100_000; i++) tens[random.below(10)]!++
  for (const times of tens) assert.ok(Math.abs(times - 10_000) < 500, tens.join())
})

test('zipf gives every rank its share', () => {
  for (const exponent of [0.5, 0.99, 1, 1.5]) {
    const [count, draws] = [1000, 200_000]
    const next = zipf(count, exponent, new Random(1, 1))
    const times = new Array<number>(count).fill(0)
    for (let i = 0; i < draws; i++) times[next()]!++
    const weights = times.map((_, rank) => (rank + 1) ** -exponent)
    const sum = weights.reduce((a, b) => a + b)
    for (const rank of [0, 1, 2, 10, 100, 999]) {
      const expected = (draws * weights[rank]!) / sum
      // Five standard deviations.
      const most = 5 * Math.sqrt(expected) + 1
      assert.ok(Math.abs(times[rank]! - expected) < most, `${exponent}, rank ${rank}: ${times[rank]!} for ${expected}`) // prettier-ignore
    }
  }
})

test('scattering maps blocks one to one', () => {
  for (const count of [1, 2, 3, 7, 16, 1000, 20_269]) {
    const scatter = scattered(count)
    const seen = new Set(Array.from({ length: count }, (_, i) => scatter(i)))
    assert.is(seen.size, count)
    for (const block of seen) assert.ok(block >= 0 && block < count)
  }
  assert.ok(Math.abs(scattered(20_269)(1) - scattered(20_269)(0)) > 1000)
})

test('every pattern stays within the partition', () => {
  for (const text of ['uniform', 'zipf:0.99', 'zipf:2', 'scan', 'hot']) {
    for (const blocks of [1, 5, 1000]) {
      const next = blockSource(parsePattern(text), blocks, new Random(1, 0), 2, 3)
      for (let i = 0; i < 3000; i++) {
        const block = next()
        assert.ok(Number.isInteger(block) && block >= 0 && block < blocks, `${text}: ${block} of ${blocks}`)
      }
    }
  }
  const scan = blockSource(parsePattern('scan'), 9, new Random(1, 0), 1, 3)
  assert.equal(Array.from({ length: 10 }, scan), [3, 4, 5, 6, 7, 8, 0, 1, 2, 3])
})

test('a stamp is recognised, and a torn one is not', () => {
  const block = new Uint8Array(1024)
  new Random(1, 1).fill(block)
  assert.is(newestStamp(block), undefined)
  const stamp = { partition: 3, block: 2 ** 40 + 1, version: 9, thread: 4, atMs: 1234567890123 }
  writeStamp(block, STAMP_BYTES * 5, stamp)
  writeStamp(block, STAMP_BYTES * 9, { ...stamp, version: 8 })
  assert.equal(newestStamp(block), stamp)
  block[STAMP_BYTES * 5 + 40]! ^= 1
  assert.is(newestStamp(block)?.version, 8)
})

test('the last colon of a partition is followed by its block size', () => {
  const parse = (text: string) => parsePartition(text, [])[0]
  assert.equal(parse('a'), { path: 'a', blockSize: 8192 })
  assert.equal(parse('a:512'), { path: 'a', blockSize: 512 })
  assert.equal(parse('a:b'), { path: 'a:b', blockSize: 8192 })
  assert.equal(parse('a:1:4096'), { path: 'a:1', blockSize: 4096 })
  assert.equal(parse(':4096'), { path: ':4096', blockSize: 8192 })
})

test('unchanged files are verified as right', async () => {
  using some = someFile()
  const truth = await learn([some.file])
  assert.equal(await verify([some.file], truth), { blocks: BLOCKS, mismatched: 0, mismatches: [] })
})

test('one wrong byte is found and reported with its block', async () => {
  using some = someFile()
  const truth = await learn([some.file])
  for (const block of [0, 255, 256, BLOCKS - 1]) some.spoil(block)
  const { mismatched, mismatches } = await verify([some.file], truth)
  assert.is(mismatched, 4)
  assert.equal(
    mismatches.map(({ partition, block, expected }) => [partition, block, expected.version]),
    [0, 255, 256, BLOCKS - 1].map((block) => ['p', block, 0]),
  )
  assert.is(mismatches[0]!.found.crc, crc32(readFileSync(some.file.path).subarray(0, BLOCK)))
})

test('many wrong blocks are counted, and some are named', async () => {
  using some = someFile()
  const truth = await learn([some.file])
  for (let block = 10; block < 40; block++) some.spoil(block)
  const { mismatched, mismatches } = await verify([some.file], truth)
  assert.is(mismatched, 30)
  assert.is(mismatches.length, MISMATCHES_MAX)
})

test('a file that has become shorter or longer is an error', async () => {
  using some = someFile()
  const truth = await learn([some.file])
  for (const blocks of [10, BLOCKS + 1]) {
    truncateSync(some.file.path, BLOCK * blocks)
    const error = await verify([some.file], truth).then(() => undefined, (cause: unknown) => cause as Error) // prettier-ignore
    assert.match(
      error?.message ?? '',
      `has ${BLOCK * blocks} bytes, and its ${BLOCKS} blocks have ${BLOCK * BLOCKS}`,
    )
  }
})

test('a block by which a file has grown must hold zeros until it is changed', async () => {
  using some = someFile()
  const truth = await learn([{ ...some.file, blocksMax: BLOCKS + 10 }])
  const grown = { ...some.file, blocks: BLOCKS + 5 }
  truncateSync(some.file.path, BLOCK * grown.blocks)
  assert.is((await verify([grown], truth)).mismatched, 0)
  some.spoil(BLOCKS + 3)
  const { mismatches } = await verify([grown], truth)
  assert.equal(
    mismatches.map(({ block }) => block),
    [BLOCKS + 3],
  )
})

test('extends that get the same block, or leave some out, are an error', async () => {
  const file = { name: 'p', path: '', blockSize: BLOCK, blocks: 8, blocksMax: 12 }
  for (const [skipped, says] of [
    [0, undefined],
    [-1, /blocks were added up to 9, and the next ones from 8 on/],
    [1, /blocks were added up to 8, and the next ones from 9 on/],
  ] as const) {
    const partition = {
      blocks: 8,
      extend(count: number) {
        this.blocks += count + skipped
        return Promise.resolve(this.blocks - count - Math.min(0, skipped))
      },
    }
    const client = { partition: () => partition } as unknown as CacheClient
    const grower = new Grower(client, [file], Board.create(1), 1, 0.001)
    grower.start()
    while (partition.blocks < 12 + 4 * skipped) await new Promise((resolve) => setTimeout(resolve, 1))
    const found = await grower.stop().then(
      (growth) => growth,
      (cause: unknown) => cause as Error,
    )
    if (says === undefined) assert.equal(found, { extends: 4, blocks: 4 })
    else assert.match((found as Error).message, says)
  }
})

test('after a load the files are right, and an older version of one block is found', async () => {
  using some = someFile()
  const truth = await learn([some.file])
  const before = readFileSync(some.file.path)
  const cache = await openCache({ memory: '256KiB', partitions: { p: some.file } })
  const board = Board.create(3)
  try {
    const { handle } = cache
    const outcome = await runLoad({ handle, truth, plan: PLAN, board, seconds: undefined })
    assert.equal(outcome.errors, [])
    assert.equal(outcome.mismatches, [])
    await cache.flush()
    assert.equal(cache.check(), [])
  } finally {
    await cache.close()
  }
  const counts = board.sums()
  assert.is(counts.reads + counts.writes, PLAN.ops)
  assert.is(counts.mismatched, 0)
  assert.equal(await verify([some.file], truth), { blocks: BLOCKS, mismatched: 0, mismatches: [] })

  const after = readFileSync(some.file.path)
  const changed = Array.from({ length: BLOCKS }, (_, block) => block).filter((block) => {
    const range = [block * BLOCK, (block + 1) * BLOCK] as const
    return !before.subarray(...range).equals(after.subarray(...range))
  })
  assert.ok(changed.length > 10, `only ${changed.length} blocks were changed`)
  const stale = changed[0]!
  const fd = openSync(some.file.path, 'r+')
  writeSync(fd, before, stale * BLOCK, BLOCK, stale * BLOCK)
  // A misplaced block is found too.
  writeSync(fd, after, changed[1]! * BLOCK, BLOCK, changed[2]! * BLOCK)
  closeSync(fd)
  const { mismatches } = await verify([some.file], truth)
  assert.equal(
    mismatches.map(({ block }) => block),
    [stale, changed[2]].sort((a, b) => a! - b!),
  )
  const [old, misplaced] = [stale, changed[2]].map((block) => mismatches.find((one) => one.block === block)!)
  assert.ok(old!.expected.version > 0)
  assert.is(old!.found.stamp, undefined)
  assert.is(misplaced!.found.stamp?.block, changed[1])
})

test('a thread that fails is reported with its code and stops the others', async () => {
  using some = someFile()
  const truth = await learn([some.file])
  const cache = await openCache({ memory: '256KiB', partitions: { q: some.file } })
  const board = Board.create(2)
  try {
    const { handle } = cache
    // The expected contents are of a partition 'p', which this cache does not have.
    const outcome = await runLoad({ handle, truth, plan: { ...PLAN, ops: undefined }, board, seconds: undefined }) // prettier-ignore
    assert.is((outcome.errors[0] as NodeJS.ErrnoException).code, 'ERR_DCACHE_UNKNOWN_PARTITION')
    assert.equal(cache.check(), [])
  } finally {
    await cache.close()
  }
})

test('a reader may find an announced version or the one before, until the change is settled', () => {
  const truth = Truth.create([{ name: 'p', path: '', blockSize: 512, blocks: 2 }])
  const [old, next, other] = [1, 2, 3].map((value) => new Uint8Array(512).fill(value)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  truth.setOriginal(0, 1, old)
  assert.ok(truth.holds(0, 1, old))
  assert.not.ok(truth.holds(0, 1, next))
  assert.is(truth.heldAt(0, 1, 0, old), true)
  assert.is(truth.heldAt(0, 1, 0, next), false)

  truth.announce(0, 1, next, 5)
  assert.ok(truth.holds(0, 1, old) && truth.holds(0, 1, next))
  assert.not.ok(truth.holds(0, 1, other))
  assert.is(truth.heldAt(0, 1, 0, old), undefined)

  truth.settle(0, 1, { partition: 0, block: 1, version: 1, thread: 5, atMs: Date.now() })
  assert.not.ok(truth.holds(0, 1, old))
  assert.ok(truth.holds(0, 1, next))
  assert.is(truth.heldAt(0, 1, 0, next), undefined)
  assert.is(truth.heldAt(0, 1, 1, next), true)
  assert.is(truth.mismatch(0, 1, other, 'a test').expected.thread, 5)
})

test.run()
