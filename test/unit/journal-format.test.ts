// Records of a journal: what is written is read again, and nothing but that is taken for whole.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type FileHeader, fileBytesOf, halfAt } from '#dist/core/journal/file-header.js'
import { decodeFileHeader, encodeFileHeader } from '#dist/core/journal/file-header.js'
import { createJournal, resizeJournal } from '#dist/core/journal/owner-writes.js'
import {
  planRecord,
  type RecordHeader,
  type RecordKeys,
  type RecordPartition,
} from '#dist/core/journal/record.js'
import { type HalfState, imagesOf, scanJournal } from '#dist/core/journal/scan.js'
import { encodeRecord } from '../support/records.js'
import {
  blocksInHalf,
  journalSize,
  RECORD_FIXED_BYTES,
  RECORD_KEY_BYTES,
  tableBytesOf,
} from '#dist/shared/journal-size.js'
import { ForgetfulFile, Machine, Stopped } from '../crash/journal-disk.js'
import { Random } from '../crash/random.js'
import { MemoryStorage } from '../support/memory-storage.js'

const SECTOR = 512
const id = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
const file: FileHeader = { id, halfBytes: 16 * 4096 }

interface Content {
  readonly partitions: readonly RecordPartition[]
  readonly keys: RecordKeys
  readonly number: number
  /** The bytes of the images come from this. */
  readonly seed: number
}

const partition = fc.record(
  {
    name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    blockSize: fc.constantFrom(512, 1024, 4096, 8192),
    blocks: fc.integer({ min: 1, max: 2 ** 43 }),
    offset: fc.integer({ min: 0, max: 2 ** 40 }).map((block) => block * 512),
    isMarked: fc.boolean(),
  },
  { noNullPrototype: true },
)

const content: fc.Arbitrary<Content> = fc
  .uniqueArray(partition, { minLength: 1, maxLength: 3, selector: ({ name }) => name })
  .chain((partitions) =>
    fc.record({
      partitions: fc.constant(partitions),
      keys: fc
        .array(fc.tuple(fc.nat(partitions.length - 1), fc.nat(2 ** 44)), { minLength: 1, maxLength: 5 })
        .map((keys) => ({
          partitions: keys.map(([index]) => index),
          blocks: keys.map(([, block]) => block),
        })),
      number: fc.integer({ min: 1, max: 2 ** 53 - 1 }),
      seed: fc.integer(),
    }),
  )

const fill = (bytes: Uint8Array, seed: number): void => {
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.imul(seed + (i >> 6), 0x9e3779b1) >>> 24
}

const TURN = 2 ** 47 + 5

function encoded({ partitions, keys, number, seed }: Content, half: 0 | 1 = 0, turn = TURN): Uint8Array {
  const plan = planRecord(partitions, keys)
  // The flush worker's buffer is shared, and has what an earlier record left.
  const record = new Uint8Array(new SharedArrayBuffer(plan.bytes)).fill(0xa5)
  plan.positions.forEach((at, i) => {
    fill(record.subarray(at, at + partitions[keys.partitions[i]!]!.blockSize), seed + i)
  })
  encodeRecord(record, { id, number, half, turn, at: 0 }, partitions, keys, plan)
  return record
}

/** What a scan finds in a half that begins with these bytes. */
async function scanned(record: Uint8Array, half: 0 | 1 = 0): Promise<HalfState> {
  const bytes = new Uint8Array(fileBytesOf(file.halfBytes))
  bytes.set(record, halfAt(file, half))
  return (await scanJournal(new MemoryStorage(bytes), file))[half]
}

/** What it says of the one record at the beginning. */
const kindOf = ({ records, torn }: HalfState): 'empty' | 'record' | 'torn' =>
  records.length > 0 ? 'record' : torn ? 'torn' : 'empty'

const plain = (record: RecordHeader) => ({
  partitions: record.partitions,
  keys: { partitions: [...Array.from(record.keys.partitions)], blocks: [...Array.from(record.keys.blocks)] },
  number: record.number,
})

test('a record is read as it was written, with its images', () =>
  fc.assert(
    fc.asyncProperty(content, fc.constantFrom(0 as const, 1 as const), async (content, half) => {
      const { partitions, keys, number } = content
      const record = encoded(content, half)
      const state = await scanned(record, half)
      assert.is(state.records.length, 1)
      const [found] = state.records
      assert.equal(plain(found!), { partitions, keys, number })
      assert.equal([found!.half, found!.at, found!.turn], [half, 0, TURN])
      const bytes = new Uint8Array(fileBytesOf(file.halfBytes))
      bytes.set(record, halfAt(file, half))
      let count = 0
      for await (const { first, end, imageOf } of imagesOf(new MemoryStorage(bytes), file, found!))
        for (let i = first; i < end; i++, count++) {
          const at = found!.plan.positions[i]!
          const image = imageOf(i)
          assert.equal(Buffer.from(image), Buffer.from(record.slice(at, at + image.length)))
          assert.is(at % Math.min(4096, image.length), 0)
        }
      assert.is(count, keys.blocks.length)
    }),
    { numRuns: 300 },
  ))

/** The bytes of a record that say something: its header, and its images, without what lies between them. */
function isCovered(at: number, { partitions, keys }: Content): boolean {
  const plan = planRecord(partitions, keys)
  return (
    at < RECORD_FIXED_BYTES + tableBytesOf(partitions) + keys.blocks.length * RECORD_KEY_BYTES ||
    plan.positions.some((from, i) => at >= from && at < from + partitions[keys.partitions[i]!]!.blockSize)
  )
}

test('no record with a flipped bit is whole', () =>
  fc.assert(
    fc.asyncProperty(content, fc.nat(), fc.nat(7), async (content, place, bit) => {
      const record = encoded(content)
      const at = place % record.length
      fc.pre(isCovered(at, content))
      record[at]! ^= 1 << bit
      assert.is(kindOf(await scanned(record)), 'torn')
    }),
    { numRuns: 1000 },
  ))

test('a mixture of the sectors of two records is neither, unless it is one of them', () =>
  fc.assert(
    fc.asyncProperty(
      content,
      content,
      fc.infiniteStream(fc.boolean()),
      fc.boolean(),
      async (a, b, picks, isLike) => {
        // Often the newer record has the same blocks, and only other images: all that differs is a checksum and the images.
        const after = isLike ? { ...a, number: a.number + 2, seed: a.seed + 1 } : b
        const [old, young] = [encoded(a), encoded(after)]
        const mixed = new Uint8Array(Math.max(old.length, young.length))
        mixed.set(old)
        let [isOld, isYoung] = [true, true]
        for (let at = 0; at < mixed.length; at += SECTOR) {
          const isNew = at < young.length && picks.next().value === true
          if (isNew) mixed.set(young.subarray(at, at + SECTOR), at)
          const differs = (other: Uint8Array, content: Content) =>
            mixed
              .subarray(at, at + SECTOR)
              .some((byte, i) => isCovered(at + i, content) && byte !== other[at + i])
          if (isOld) isOld = !differs(old, a)
          if (isYoung) isYoung = !differs(young, after)
        }
        const state = await scanned(mixed)
        assert.is(kindOf(state), isOld || isYoung ? 'record' : 'torn')
      },
    ),
    { numRuns: 1500 },
  ))

test('a record that was cut off anywhere is not whole', async () => {
  const partitions = [{ name: 'main', blockSize: 1024, blocks: 100, offset: 0, isMarked: true }]
  const content = { partitions, keys: { partitions: [0, 0, 0], blocks: [7, 8, 12] }, number: 3, seed: 1 }
  const record = encoded(content)
  for (let at = 0; at < record.length; at += SECTOR) {
    const state = await scanned(record.subarray(0, at))
    // Its last sectors may be zeros themselves, but those of an image are not.
    assert.is(kindOf(state), at === 0 ? 'empty' : 'torn', `${at} bytes`)
  }
  assert.is(kindOf(await scanned(record)), 'record')
})

test('a record of another journal, of the other half, or behind its place is not taken', async () => {
  const partitions = [{ name: 'main', blockSize: 512, blocks: 100, offset: 0, isMarked: true }]
  const record = encoded({ partitions, keys: { partitions: [0], blocks: [1] }, number: 3, seed: 1 })
  const bytes = new Uint8Array(fileBytesOf(file.halfBytes))
  bytes.set(record, halfAt(file, 1))
  const why = async (header: FileHeader, half: 0 | 1) => {
    const state = (await scanJournal(new MemoryStorage(bytes), header))[half]
    return state.torn?.why ?? kindOf(state)
  }
  assert.match(await why(file, 1), 'other half')
  bytes.copyWithin(halfAt(file, 0), halfAt(file, 1))
  assert.match(await why({ ...file, id: id.map((byte) => byte + 1) }, 0), 'another journal')
  assert.is(await why(file, 0), 'record')
})

test('an image that is damaged is named', async () => {
  const partitions = [{ name: 'main', blockSize: 512, blocks: 100, offset: 0, isMarked: true }]
  const content = { partitions, keys: { partitions: [0, 0, 0], blocks: [1, 2, 4] }, number: 3, seed: 1 }
  const record = encoded(content)
  record[planRecord(partitions, content.keys).positions[1]! + 9]! ^= 1
  const state = await scanned(record)
  assert.is(kindOf(state), 'torn')
  assert.equal(state.torn!.damaged, [1])
  assert.equal(plain(state.torn!.record!).keys.blocks, [1, 2, 4])
})

test('records follow each other by place, number and turn; behind them is nothing, or what is torn', async () => {
  const partitions = [{ name: 'main', blockSize: 512, blocks: 100, offset: 0, isMarked: true }]
  const record = (number: number, turn = TURN) =>
    encoded({ partitions, keys: { partitions: [0], blocks: [number] }, number, seed: number }, 0, turn)
  const found = async (...records: [at: number, record: Uint8Array][]) => {
    const bytes = new Uint8Array(fileBytesOf(file.halfBytes))
    for (const [at, record] of records) bytes.set(record, halfAt(file, 0) + at)
    const [{ records: whole, torn }] = await scanJournal(new MemoryStorage(bytes), file)
    return { at: whole.map(({ number, at }) => [number, at]), torn: torn?.why }
  }
  const torn = record(7)
  torn[4096 + 3]! ^= 1
  const headless = record(7)
  headless[100]! ^= 1
  const [first, next] = [0, 8192]
  assert.equal(await found([first, record(6)], [next, record(7)]), { at: [[6, 0], [7, next]], torn: undefined }) // prettier-ignore
  const alone = { at: [[6, 0]], torn: undefined }
  for (const other of [record(5), record(8), record(7, TURN + 1), new Uint8Array(512).fill(9)])
    assert.equal(await found([first, record(6)], [next, other]), alone)
  // A gap of a page ends them.
  assert.equal(await found([first, record(6)], [next + 4096, record(7)]), alone)
  assert.equal(await found([first, record(6)], [next, torn]), { ...alone, torn: 'the checksums of 1 of its 1 blocks are wrong' }) // prettier-ignore
  assert.equal(await found([first, record(6)], [next, headless]), { ...alone, torn: 'the checksum of its header is wrong' }) // prettier-ignore
  // To the last page of the half.
  const full = Array.from({ length: file.halfBytes / 8192 }, (_, i): [number, Uint8Array] => [i * 8192, record(i + 1)]) // prettier-ignore
  assert.is((await found(...full)).at.length, 8)
})

test('the header of a file is read as it was written, and a flipped bit is found', () => {
  const sector = encodeFileHeader(file)
  const decoded = decodeFileHeader(sector) as FileHeader
  assert.equal([...decoded.id], [...id])
  assert.is(decoded.halfBytes, file.halfBytes)
  for (let bit = 0; bit < sector.length * 8; bit++) {
    sector[bit >> 3]! ^= 1 << (bit & 7)
    assert.is(decodeFileHeader(sector), bit < 64 ? 'none' : 'damaged', String(bit))
    sector[bit >> 3]! ^= 1 << (bit & 7)
  }
})

test('as many blocks as a half holds make a record that fits, and no more are wasted than a page has', () =>
  fc.assert(
    fc.property(
      fc.uniqueArray(partition, { minLength: 1, maxLength: 5, selector: ({ name }) => name }),
      fc.integer({ min: 20, max: 600 }),
      (partitions, pages) => {
        const blockSize = Math.max(...partitions.map((partition) => partition.blockSize))
        const halfBytes = pages * 4096
        const count = blocksInHalf(halfBytes, blockSize, tableBytesOf(partitions))
        const bytesOf = (count: number) => {
          const largest = partitions.findIndex((partition) => partition.blockSize === blockSize)
          const keys = {
            partitions: new Array<number>(count).fill(largest),
            blocks: new Array<number>(count).fill(0),
          }
          return planRecord(partitions, keys).bytes
        }
        assert.ok(bytesOf(count) <= halfBytes)
        assert.ok(bytesOf(count + 1) > halfBytes - 4096)
      },
    ),
    { numRuns: 300 },
  ))

test('a size of a journal has a default, a minimum and whole pages', () => {
  const group = { blockSize: 4096, tableBytes: 64, blocks: 1e6 }
  assert.equal(journalSize('g', undefined, group), {
    leastBytes: 10 * 4096,
    halfBytes: 2 ** 25,
    isGiven: false,
  })
  const small = journalSize('g', undefined, { ...group, blocks: 16 })
  assert.is(blocksInHalf(small.halfBytes, 4096, 64), 16)
  assert.equal(journalSize('g', 2 ** 20, group), { leastBytes: 10 * 4096, halfBytes: 2 ** 19, isGiven: true })
  const least = 2 * 10 * 4096
  assert.is(blocksInHalf(least / 2, 4096, 64) >= 8, true)
  assert.is(blocksInHalf(least / 2 - 4096, 4096, 64) < 8, true)
  assert.is(journalSize('g', least, group).halfBytes, least / 2)
  assert.throws(() => journalSize("group 'g'", least - 8192, group), /group 'g': journal.size is 73728 bytes; it must be at least 81920/) // prettier-ignore
  assert.throws(() => journalSize("group 'g'", 2 ** 20 + 4096, group), /multiple of 8192/)
})

test('a new journal is empty, also after it got another size, and what lay in it is gone', async () => {
  const partitions = [{ name: 'main', blockSize: 512, blocks: 100, offset: 0, isMarked: true }]
  const storage = new MemoryStorage(new Uint8Array(fileBytesOf(file.halfBytes) * 3).fill(7))
  await createJournal(storage, file)
  assert.equal(await scanJournal(storage, file), [{ records: [] }, { records: [] }])
  for (const halfBytes of [file.halfBytes * 2, file.halfBytes / 2]) {
    const to = { id, halfBytes }
    // Where a half will begin lies what looks like a record of it.
    for (const half of [0, 1] as const)
      storage.bytes.set(encoded({ partitions, keys: { partitions: [0], blocks: [1] }, number: 3, seed: 1 }, half), halfAt(to, half)) // prettier-ignore
    await resizeJournal(storage, file, to, undefined)
    assert.is((decodeFileHeader(storage.bytes.subarray(0, 512)) as FileHeader).halfBytes, halfBytes)
    assert.equal(await scanJournal(storage, to), [{ records: [] }, { records: [] }])
  }
})

test('a resize that is stopped anywhere leaves the newest record, or none', async () => {
  const partitions = [{ name: 'main', blockSize: 512, blocks: 100, offset: 0, isMarked: true }]
  const random = new Random(3)
  const seen = new Set<string>()
  for (let run = 0; run < 2000; run++) {
    const bytes = new Uint8Array(fileBytesOf(file.halfBytes) * 2)
    bytes.set(encodeFileHeader(file))
    const newest = random.pick([0, 1] as const)
    for (const half of [0, 1] as const)
      bytes.set(encoded({ partitions, keys: { partitions: [0], blocks: [1] }, number: half === newest ? 8 : 7, seed: 1 }, half), halfAt(file, half)) // prettier-ignore
    const machine = new Machine(random)
    machine.callsLeft = random.below(12)
    const disk = new ForgetfulFile(machine, bytes)
    const to = { id, halfBytes: random.pick([file.halfBytes * 2, file.halfBytes / 2]) }
    await resizeJournal(disk, file, to, newest).catch((error: unknown) => {
      if (!(error instanceof Stopped)) throw error
    })
    const image = disk.afterCrash(random)
    const header = decodeFileHeader(image) as FileHeader
    const halves = await scanJournal(new MemoryStorage(image), header)
    const numbers = halves.flatMap(({ records }) => records.map(({ number }) => number))
    const found = `${header.halfBytes === file.halfBytes ? 'old' : 'new'} ${String(numbers.sort())}`
    assert.ok(['old 7,8', 'old 8', 'old ', 'new '].includes(found), found)
    seen.add(found)
  }
  assert.is(seen.size, 4)
})

test.run()
