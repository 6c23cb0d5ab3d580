// Journals with real files: a crash is an end without `finish`. What was in a record is in place after the next opening; what does
// not belong together is refused, and then nothing has changed.

import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { chmodSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { FileDevice } from '#dist/core/device/file-device.js'
import { decodeFileHeader, type FileHeader, halfAt } from '#dist/core/journal/file-header.js'
import { planRecord, type RecordPartition, type RecordPlace } from '#dist/core/journal/record.js'
import { placeBehind, placeFor, replay, replayOrder } from '#dist/core/journal/recover.js'
import { scanJournal } from '#dist/core/journal/scan.js'
import { encodeRecord } from '../support/records.js'
import { Claims } from '#dist/workers/claims.js'
import { closeFiles, extendFiles, openFiles, type PartitionFile } from '#dist/workers/files.js'
import { assertMarks, assertRoom, type GroupJournal, openJournals } from '#dist/workers/journals.js'
import { parseGroups, sizeJournals } from '#dist/shared/group-options.js'
import { parseOptions } from '#dist/shared/config.js'
import { CacheError, type CacheErrorCode } from '#dist/shared/errors.js'
import type { JournalRecovery } from '#dist/shared/reports.js'
import { MemoryStorage } from '../support/memory-storage.js'
import { type TempFolder, tempFolder } from '../support/temp.js'

const BLOCK = 1024
const BLOCKS = 16

interface PartitionOf {
  path: string
  blockSize?: number
  size?: number
  offset?: number
  readOnly?: boolean
  group?: string
}

interface Options {
  partitions: Record<string, PartitionOf>
  groups: Record<string, { journal?: { path: string; size?: number | string } }>
}

const optionsIn = ({ path }: TempFolder, size?: number): Options => ({
  partitions: {
    a: { path: join(path, 'a.img'), group: 'main' },
    b: { path: join(path, 'b.img'), group: 'main' },
  },
  groups: {
    main: { journal: { path: join(path, 'main.journal'), ...(size === undefined ? {} : { size }) } },
  },
})

interface Opened {
  readonly files: readonly PartitionFile[]
  readonly journals: readonly GroupJournal[]
  readonly recovered: readonly JournalRecovery[]
  readonly crash: () => void
  readonly finish: () => Promise<void>
}

/** Opens files and journals as `openCache` is to do it. */
async function open({ partitions, groups }: Options): Promise<Opened> {
  const { names, journals: configs } = parseGroups(groups)
  const all = Object.fromEntries(
    Object.entries(partitions).map(([name, partition]) => [
      name,
      { blockSize: BLOCK, ...(partition.readOnly === true ? {} : { size: BLOCK * BLOCKS }), ...partition },
    ]),
  )
  const config = parseOptions({ memory: '1MiB', partitions: all, groups: names })
  const sized = sizeJournals(configs, { ...config, blocks: 1000 })
  const claims = new Claims()
  const files = await openFiles(config.partitions, claims)
  let journals: readonly GroupJournal[] = []
  try {
    journals = await openJournals(sized, config.groups, files, claims)
    await extendFiles(files)
    const recovered: JournalRecovery[] = []
    for (const journal of journals) recovered.push(await journal.recover())
    for (const file of files) file.keep()
    for (const { file } of journals) file.keep()
    const crash = () => {
      for (const { file } of journals) file.close()
      closeFiles(files)
    }
    const finish = async () => {
      for (const journal of journals) await journal.finish(journal.next.half === 0 ? 1 : 0)
      crash()
    }
    return { files, journals, recovered, crash, finish }
  } catch (error) {
    for (const journal of journals) await journal.undo()
    closeFiles(files)
    throw error
  }
}

const image = (fill: number): Uint8Array => new Uint8Array(BLOCK).fill(fill)
const A: RecordPartition = { name: 'a', blockSize: BLOCK, blocks: BLOCKS, offset: 0, isMarked: true }
const B: RecordPartition = { ...A, name: 'b' }

/** Writes a record as the flush worker is to do it. `images`: partition, block, what it is filled with. */
function writeRecord(
  journal: GroupJournal,
  images: readonly (readonly [partition: 0 | 1, block: number, fill: number])[],
  place: Partial<RecordPlace> = {},
  partitions: readonly RecordPartition[] = [A, B],
): void {
  const keys = {
    partitions: images.map(([partition]) => partition),
    blocks: images.map(([, block]) => block),
  }
  const plan = planRecord(partitions, keys)
  const record = new Uint8Array(new SharedArrayBuffer(plan.bytes))
  images.forEach(([, , fill], i) => record.set(image(fill), plan.positions[i]))
  const identity = { id: journal.header.id, ...journal.next, ...place }
  encodeRecord(record, identity, partitions, keys, plan)
  const device = new FileDevice(journal.file.fd, 0)
  device.writeSync([record], halfAt(journal.header, identity.half) + identity.at)
  device.syncSync()
}

/** What a block of a file is filled with; -1 if that is not one value. */
function fillOf(path: string, block: number, offset = 0): number {
  const bytes = readFileSync(path).subarray(offset + block * BLOCK, offset + (block + 1) * BLOCK)
  return bytes.every((byte) => byte === bytes[0]) ? bytes[0]! : -1
}

/** Names and contents of all files of a folder. */
const contents = ({ path }: TempFolder) =>
  Object.fromEntries(readdirSync(path).map((name) => [name, statSync(join(path, name)).isFile() ? readFileSync(join(path, name)).toString('latin1') : name])) // prettier-ignore

async function refused(options: Options, code: CacheErrorCode, ...texts: string[]): Promise<void> {
  try {
    const { crash } = await open(options)
    crash()
  } catch (error) {
    if (!(error instanceof CacheError)) throw error
    assert.is(error.code, code, error.message)
    for (const text of texts)
      assert.ok(error.message.includes(text), `${error.message} | should have: ${text}`)
    return
  }
  assert.unreachable(`opened: ${texts.join(', ')}`)
}

/** Refused, and no byte of the folder has changed. */
async function refusedUnchanged(folder: TempFolder, options: Options, ...texts: string[]): Promise<void> {
  const before = contents(folder)
  await refused(options, 'ERR_DCACHE_BAD_JOURNAL', ...texts)
  assert.equal(contents(folder), before)
}

/** A crash with one record that was not written in place. */
async function crashed(folder: TempFolder, options = optionsIn(folder)): Promise<Options> {
  const { journals, crash } = await open(options)
  writeRecord(journals[0]!, [[0, 3, 7], [1, 4, 8]]) // prettier-ignore
  crash()
  return options
}

/** Where the next record goes, without the turn, which is random. */
function next(journal: GroupJournal): Omit<RecordPlace, 'turn'> {
  const { number, half, at } = journal.next
  return { number, half, at }
}

test('a new journal is empty, has the size that was asked for, and its partitions are marked', async () => {
  using folder = tempFolder()
  const { journals, recovered, crash, finish } = await open(optionsIn(folder, 2 ** 17))
  const path = join(folder.path, 'main.journal')
  assert.equal(recovered, [{ group: 'main', path, replayed: [], torn: [] }])
  assert.equal(next(journals[0]!), { number: 1, half: 0, at: 0 })
  assert.is(statSync(path).size, 4096 + 2 ** 17)
  assert.equal(readdirSync(folder.path).sort(), ['a.img', 'a.img.dcache-journal', 'b.img', 'b.img.dcache-journal', 'main.journal']) // prettier-ignore
  assert.match(readFileSync(join(folder.path, 'a.img.dcache-journal'), 'utf8'), journals[0]!.id!)
  await finish()
  crash()
  assert.equal(readdirSync(folder.path).sort(), ['a.img', 'b.img', 'main.journal'])
})

test('what a record has is in place after the next opening; the one after that has it again, until the end is orderly', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  for (let i = 0; i < 2; i++) {
    const { journals, recovered, crash } = await open(options)
    assert.equal(recovered[0]!.replayed, [{ number: 1, partitions: { a: 1, b: 1 } }])
    assert.equal(next(journals[0]!), { number: 2, half: 1, at: 0 })
    assert.is(fillOf(options.partitions['a']!.path, 3), 7)
    assert.is(fillOf(options.partitions['a']!.path, 4), 0)
    assert.is(fillOf(options.partitions['b']!.path, 4), 8)
    crash()
  }
  const { finish } = await open(options)
  await finish()
  writeFileSync(options.partitions['a']!.path, new Uint8Array(BLOCK * BLOCKS).fill(5))
  const { recovered, crash } = await open(options)
  assert.equal(recovered[0]!.replayed, [])
  assert.is(fillOf(options.partitions['a']!.path, 3), 5)
  crash()
})

test('records are replayed in the order of their numbers, and the next goes over the older half', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const { journals: [first], crash } = await open(options) // prettier-ignore
  const second = 2 * 4096
  writeRecord(first!, [[0, 1, 1], [0, 2, 1]], { number: 1, half: 1, turn: 5 }) // prettier-ignore
  writeRecord(first!, [[0, 2, 2]], { number: 2, half: 1, at: second, turn: 5 })
  writeRecord(first!, [[0, 2, 3], [0, 3, 3]], { number: 3, half: 0, turn: 6 }) // prettier-ignore
  writeRecord(first!, [[0, 3, 4]], { number: 4, half: 0, at: second, turn: 6 })
  crash()
  const again = await open(options)
  assert.equal(again.recovered[0]!.replayed.map(({ number }) => number), [1, 2, 3, 4]) // prettier-ignore
  assert.equal([1, 2, 3].map((block) => fillOf(options.partitions['a']!.path, block)), [1, 3, 4]) // prettier-ignore
  assert.equal(next(again.journals[0]!), { number: 5, half: 1, at: 0 })
  again.crash()
})

test('behind a record of this turn, those of an earlier one do not count, whatever their number', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const { journals: [first], finish } = await open(options) // prettier-ignore
  writeRecord(first!, [[0, 1, 1]], { number: 1, turn: 5 })
  writeRecord(first!, [[0, 2, 1]], { number: 2, at: 2 * 4096, turn: 5 })
  await finish()
  // Numbers begin with 1 again after an orderly end.
  const second = await open(options)
  assert.equal(next(second.journals[0]!), { number: 1, half: 0, at: 0 })
  writeRecord(second.journals[0]!, [[0, 1, 2]])
  second.crash()
  const { recovered, crash } = await open(options)
  assert.equal(recovered[0]!.replayed.map(({ number }) => number), [1]) // prettier-ignore
  assert.equal([1, 2].map((block) => fillOf(options.partitions['a']!.path, block)), [2, 0]) // prettier-ignore
  crash()
})

test('a record that failed, has become longer and went to the other half is replayed in both forms', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const { journals: [first], crash } = await open(options) // prettier-ignore
  writeRecord(first!, [[0, 1, 1]], { number: 1, half: 0, turn: 5 })
  writeRecord(first!, [[0, 2, 1]], { number: 2, half: 0, at: 2 * 4096, turn: 5 })
  writeRecord(first!, [[0, 2, 2], [0, 3, 2]], { number: 2, half: 1, turn: 6 }) // prettier-ignore
  crash()
  const again = await open(options)
  assert.equal(again.recovered[0]!.replayed.map(({ number }) => number), [1, 2, 2]) // prettier-ignore
  assert.equal([1, 2, 3].map((block) => fillOf(options.partitions['a']!.path, block)), [1, 2, 2]) // prettier-ignore
  assert.equal(next(again.journals[0]!), { number: 3, half: 0, at: 0 })
  again.crash()
})

test('a half that was being begun again has a part of its records left, all of which are in place', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const { journals: [first], crash } = await open(options) // prettier-ignore
  writeRecord(first!, [[0, 1, 1]], { number: 1, half: 0, turn: 5 })
  writeRecord(first!, [[0, 2, 3]], { number: 3, half: 1, turn: 6 })
  crash()
  const again = await open(options)
  assert.equal(again.recovered[0]!.replayed.map(({ number }) => number), [3]) // prettier-ignore
  assert.equal([1, 2].map((block) => fillOf(options.partitions['a']!.path, block)), [0, 3]) // prettier-ignore
  assert.equal(next(again.journals[0]!), { number: 4, half: 0, at: 0 })
  again.crash()
})

test('places: behind the last record if there is room, else at the beginning of the other half', () => {
  const file = { id: new Uint8Array(16), halfBytes: 5 * 4096 }
  const first = { number: 7, half: 1, at: 0, turn: 3 } as const
  const behind = placeBehind(first, 4097)
  assert.equal(behind, { number: 8, half: 1, at: 8192, turn: 3 })
  assert.equal(placeFor(behind, 3 * 4096, file), behind)
  const { turn, ...other } = placeFor(behind, 3 * 4096 + 1, file)
  assert.equal(other, { number: 8, half: 0, at: 0 })
  assert.is.not(turn, 3)
})

test('a torn record is ignored, and told', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  const path = join(folder.path, 'main.journal')
  const bytes = readFileSync(path)
  bytes[4096 + 4096 + 100]! ^= 1
  writeFileSync(path, bytes)
  const { journals, recovered, crash } = await open(options)
  assert.equal(recovered[0]!.replayed, [])
  assert.equal(recovered[0]!.torn, ['half 0: the checksums of 1 of its 2 blocks are wrong'])
  assert.equal(next(journals[0]!), { number: 1, half: 0, at: 0 })
  assert.is(fillOf(options.partitions['a']!.path, 3), 0)
  crash()
})

test('what is torn does not become whole after recovery, although the next record may write the same sectors there', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const { journals: [first], crash } = await open(options) // prettier-ignore
  writeRecord(first!, [[0, 1, 1]], { number: 1, half: 1, turn: 5 })
  writeRecord(first!, [[0, 2, 1]], { number: 2, half: 1, at: 2 * 4096, turn: 5 })
  writeRecord(first!, [[0, 3, 1]], { number: 3, half: 0, turn: 6 })
  crash()
  const path = join(folder.path, 'main.journal')
  const bytes = readFileSync(path)
  const file = decodeFileHeader(bytes) as FileHeader
  // The last sector that is needed of records 2 and 3.
  const places = [halfAt(file, 1) + 3 * 4096, halfAt(file, 0) + 4096]
  const sectors = places.map((at) => Uint8Array.from(bytes.subarray(at, at + 512)))
  for (const at of places) bytes.fill(0, at, at + 512)
  writeFileSync(path, bytes)
  const second = await open(options)
  assert.equal(second.recovered[0]!.replayed.map(({ number }) => number), [1]) // prettier-ignore
  assert.is(second.recovered[0]!.torn.length, 2)
  second.crash()
  const after = readFileSync(path)
  places.forEach((at, i) => {
    after.set(sectors[i]!, at)
  })
  writeFileSync(path, after)
  const third = await open(options)
  assert.equal(third.recovered[0]!.replayed.map(({ number }) => number), [1]) // prettier-ignore
  third.crash()
})

test('an existing journal keeps its size unless another one is given, and gets that after recovery', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'main.journal')
  await crashed(folder, optionsIn(folder, 2 ** 17))
  ;(await open(optionsIn(folder))).crash()
  assert.is(statSync(path).size, 4096 + 2 ** 17)
  for (const size of [2 ** 18, 2 ** 16]) {
    const { journals, recovered, crash } = await open(optionsIn(folder, size))
    assert.is(statSync(path).size, 4096 + size)
    assert.is(recovered[0]!.replayed.length, 1)
    assert.is(journals[0]!.header.halfBytes, size / 2)
    assert.equal(next(journals[0]!), { number: 1, half: 0, at: 0 })
    writeRecord(journals[0]!, [[0, 9, size / 2 ** 14]]) // prettier-ignore
    crash()
    const again = await open(optionsIn(folder, size))
    assert.is(fillOf(join(folder.path, 'a.img'), 9), size / 2 ** 14)
    again.crash()
  }
})

test('a partition of the group may be absent when nothing of it is in the journal', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const { journals, crash } = await open(options)
  writeRecord(journals[0]!, [[0, 3, 7]], journals[0]!.next, [A]) // prettier-ignore
  crash()
  const { b: _, ...partitions } = options.partitions
  const { recovered, crash: crashAgain } = await open({ ...options, partitions })
  assert.equal(recovered[0]!.replayed, [{ number: 1, partitions: { a: 1 } }])
  crashAgain()
})

test('partitions in one file share its mark, which goes with the last of them', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'a.img')
  const options = optionsIn(folder)
  options.partitions = {
    a: { path, group: 'main' },
    b: { path, offset: BLOCK * BLOCKS, group: 'main' },
  }
  const { journals, crash } = await open(options)
  writeRecord(journals[0]!, [[0, 3, 7], [1, 4, 8]], journals[0]!.next, [A, { ...B, offset: BLOCK * BLOCKS }]) // prettier-ignore
  crash()
  const again = await open(options)
  assert.is(fillOf(path, 3), 7)
  assert.is(fillOf(path, 4, BLOCK * BLOCKS), 8)
  again.crash()
  rmSync(join(folder.path, 'main.journal'))
  await refusedUnchanged(folder, options, "partition 'a'", 'which is not opened with it')
  rmSync(`${path}.dcache-journal`)
  const { files, journals: anew, crash: end } = await open(options)
  await anew[0]!.unmark(files[0]!)
  assert.ok(existsSync(`${path}.dcache-journal`))
  await anew[0]!.unmark(files[1]!)
  assert.not(existsSync(`${path}.dcache-journal`))
  end()
})

test('a group without partitions, or with read-only ones alone, may have a journal', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  writeFileSync(join(folder.path, 'a.img'), new Uint8Array(BLOCK * 2))
  for (const partitions of [{}, { a: { path: join(folder.path, 'a.img'), readOnly: true, group: 'main' } }]) {
    const more = { other: { path: join(folder.path, 'other.img'), group: 'other' } }
    const { finish } = await open({ ...options, partitions: { ...partitions, ...more } })
    assert.not(existsSync(join(folder.path, 'a.img.dcache-journal')))
    assert.not(existsSync(join(folder.path, 'other.img.dcache-journal')))
    await finish()
  }
})

test('a journal moves with its files, if all are copied', async () => {
  using folder = tempFolder()
  using other = tempFolder()
  await crashed(folder)
  for (const name of readdirSync(folder.path)) copyFileSync(join(folder.path, name), join(other.path, name))
  const { recovered, crash } = await open(optionsIn(other))
  assert.is(recovered[0]!.replayed.length, 1)
  assert.is(fillOf(join(other.path, 'a.img'), 3), 7)
  crash()
})

test('a file behind a symbolic link has its mark where it really is', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  mkdirSync(join(folder.path, 'real'))
  symlinkSync(join(folder.path, 'real', 'a'), options.partitions['a']!.path)
  const { crash } = await open(options)
  assert.ok(existsSync(join(folder.path, 'real', 'a.dcache-journal')))
  crash()
})

test('an opening that fails later on leaves nothing behind, and nothing of an older one is removed', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const mark = join(folder.path, 'b.img.dcache-journal')
  mkdirSync(join(`${mark}.new`, 'in-the-way'), { recursive: true }) // the second mark cannot be made
  await refused(options, 'ERR_DCACHE_BAD_JOURNAL', mark, 'cannot be made')
  assert.equal(readdirSync(folder.path), ['b.img.dcache-journal.new'])
  rmSync(`${mark}.new`, { recursive: true })
  await crashed(folder)
  const before = contents(folder)
  const more = { ...options.partitions, c: { path: join(folder.path, 'c.img'), group: 'main' } }
  mkdirSync(join(folder.path, 'c.img.dcache-journal.new', 'in-the-way'), { recursive: true })
  await refused({ ...options, partitions: more }, 'ERR_DCACHE_BAD_JOURNAL', 'c.img.dcache-journal')
  rmSync(join(folder.path, 'c.img.dcache-journal.new'), { recursive: true })
  const after = contents(folder)
  assert.equal(Object.keys(after), Object.keys(before))
  assert.is(after['main.journal'], before['main.journal'])
})

test('assertRoom refuses a partition whose blocks are too large for the journal', async () => {
  using folder = tempFolder()
  const { journals, crash } = await open(optionsIn(folder, 2 ** 16))
  assertRoom(journals[0]!, [A, B])
  assert.throws(
    () => assertRoom(journals[0]!, [A, { ...B, blockSize: 4096 }]),
    /has 65536 bytes; blocks of 4096 bytes need at least \d+/,
  )
  crash()
})

test('a write or a sync that fails in recovery is named, the journal keeps its record, and another attempt succeeds', async () => {
  using folder = tempFolder()
  await crashed(folder)
  const path = join(folder.path, 'main.journal')
  const before = readFileSync(path)
  const file = decodeFileHeader(before) as FileHeader
  const journal = new MemoryStorage(before)
  const records = replayOrder('j', await scanJournal(journal, file))
  const EIO = Object.assign(new Error('EIO: i/o error'), { code: 'EIO', errno: -5 })
  class Failing extends MemoryStorage {
    fails = ''
    override async write(source: Uint8Array, position: number): Promise<void> {
      if (this.fails === 'write') throw EIO
      return super.write(source, position)
    }
    override async sync(): Promise<void> {
      if (this.fails === 'sync') throw EIO
    }
  }
  const storages = [new Failing(new Uint8Array(BLOCK * BLOCKS)), new Failing(new Uint8Array(BLOCK * BLOCKS))]
  const targets = new Map(
    [A, B].map((partition, i) => [
      partition.name,
      {
        ...partition,
        isReadOnly: false,
        isDirect: false,
        storage: storages[i]!,
        failed: (error: unknown) => new CacheError('ERR_DCACHE_BAD_FILE', partition.name, { cause: error }),
      },
    ]),
  )
  for (const fails of ['write', 'sync']) {
    storages[1]!.fails = fails
    try {
      await replay('j', journal, file, records, targets)
      assert.unreachable()
    } catch (error) {
      if (!(error instanceof CacheError)) throw error
      assert.equal([error.code, error.message, error.cause], ['ERR_DCACHE_BAD_FILE', 'b', EIO])
    }
    assert.equal(Buffer.from(journal.bytes), Buffer.from(before))
  }
  storages[1]!.fails = ''
  await replay('j', journal, file, records, targets)
  assert.equal(storages[1]!.bytes.slice(4 * BLOCK, 5 * BLOCK), image(8))
})

test('a record that is damaged after it was scanned is not written in place', async () => {
  using folder = tempFolder()
  await crashed(folder)
  const bytes = readFileSync(join(folder.path, 'main.journal'))
  const file = decodeFileHeader(bytes) as FileHeader
  const journal = new MemoryStorage(bytes)
  const records = replayOrder('j', await scanJournal(journal, file))
  bytes[4096 + 4096 + 100]! ^= 1
  const written: number[] = []
  const storage = {
    read: async () => {},
    write: async (_: Uint8Array, position: number) => void written.push(position),
    sync: async () => {},
  }
  const target = {
    isReadOnly: false,
    isDirect: false,
    storage,
    failed: (error: unknown) => error as CacheError,
  }
  const targets = new Map([A, B].map((partition) => [partition.name, { ...partition, ...target }]))
  try {
    await replay('j', journal, file, records, targets)
    assert.unreachable()
  } catch (error) {
    assert.is((error as CacheError).code, 'ERR_DCACHE_BAD_JOURNAL')
    assert.match((error as CacheError).message, 'record 1')
  }
  assert.equal(written, [])
})

const bad = suite('what is refused')

bad('a journal that was torn down to nothing after a crash', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  rmSync(join(folder.path, 'main.journal'))
  await refusedUnchanged(folder, options, "partition 'a'", 'main.journal', 'remove it and the mark')
})

bad('files that were not closed, without their journal', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  await refusedUnchanged(folder, { ...options, groups: { main: {} } }, "partition 'a'", 'main.journal')
  // The same check, for a cache without journals.
  const claims = new Claims()
  const { partitions } = parseOptions({ memory: '1MiB', partitions: { a: { path: options.partitions['a']!.path, blockSize: BLOCK } } }) // prettier-ignore
  const files = await openFiles(partitions, claims)
  assert.throws(() => assertMarks(files, []), /main\.journal/)
  closeFiles(files)
})

bad('files that were not closed, with another journal', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  using other = tempFolder()
  ;(await open(optionsIn(other))).crash()
  options.groups['main']!.journal!.path = join(other.path, 'main.journal')
  await refusedUnchanged(folder, options, "partition 'a'", join(folder.path, 'main.journal'))
})

bad('a marked file in another group', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  options.partitions['b']!.group = 'other'
  await refusedUnchanged(folder, options, "partition 'b'", "group 'main'")
  // Also if no record has a block of it.
  using empty = tempFolder()
  const others = optionsIn(empty)
  ;(await open(others)).crash()
  others.partitions['b']!.group = 'other'
  await refusedUnchanged(empty, others, "partition 'b'", "group 'main'")
})

bad('a file whose mark is missing: it is another one, or an older copy', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  rmSync(join(folder.path, 'b.img.dcache-journal'))
  await refusedUnchanged(folder, options, "partition 'b'", 'no mark')
})

const changes: Readonly<Record<string, readonly [(options: Options) => unknown, ...string[]]>> = {
  'a partition that is missing': [
    ({ partitions }) => delete partitions['b'],
    "partition 'b'",
    'does not have',
  ],
  'a partition with another name': [
    ({ partitions }) => {
      partitions['x'] = partitions['b']!
      delete partitions['b']
    },
    "partition 'b'",
  ],
  'another block size': [
    ({ partitions }) => (partitions['b']!.blockSize = 512),
    "partition 'b'",
    '1024',
    '512',
  ],
  'another offset': [
    ({ partitions }) => (partitions['b']!.offset = BLOCK),
    "partition 'b'",
    'byte 0',
    'byte 1024',
  ],
  'a partition that is read-only': [
    ({ partitions }) => (partitions['b']!.readOnly = true),
    "partition 'b'",
    'readOnly',
  ],
  'a partition that is shorter': [({ partitions }) => (partitions['b']!.size = BLOCK * 4), "partition 'b'", 'block 4', '4 blocks', 'had 16'], // prettier-ignore
}
for (const [name, [change, ...texts]] of Object.entries(changes))
  bad(`${name}, while the journal has blocks of it`, async () => {
    using folder = tempFolder()
    const options = await crashed(folder)
    change(options)
    await refusedUnchanged(folder, options, 'main.journal: record 1', ...texts)
  })

bad('records whose numbers overlap', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const { journals, crash } = await open(options)
  writeRecord(journals[0]!, [[0, 1, 1]], { number: 4, half: 0, turn: 5 })
  writeRecord(journals[0]!, [[0, 2, 1]], { number: 5, half: 0, at: 2 * 4096, turn: 5 })
  writeRecord(journals[0]!, [[0, 1, 2]], { number: 4, half: 1, turn: 6 })
  crash()
  await refusedUnchanged(folder, options, 'one half has the records 4 to 5, the other one those from 4 on')
})

bad('a file that is no journal, and it is not overwritten', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const path = join(folder.path, 'main.journal')
  for (const text of ['x', 'a text that is no journal'.repeat(100), `${'\0'.repeat(10000)}x`]) {
    writeFileSync(path, text)
    await refusedUnchanged(folder, options, 'not a journal')
  }
})

bad('a journal that is damaged, of another version, or truncated', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  const path = join(folder.path, 'main.journal')
  const whole = readFileSync(path)
  const size = whole.length
  const damaged = Buffer.from(whole)
  damaged[20]! ^= 1
  writeFileSync(path, damaged)
  await refusedUnchanged(folder, options, 'header is damaged')
  writeFileSync(path, whole)
  truncateSync(path, size - 1)
  await refusedUnchanged(folder, options, `it has ${size - 1} bytes, and had ${size}`)
})

test('a journal that was not finished is made anew', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'main.journal')
  for (const zeros of [0, 100, 2 ** 21 + 5]) {
    writeFileSync(path, new Uint8Array(zeros))
    const { crash, finish } = await open(optionsIn(folder, 2 ** 16))
    assert.is(statSync(path).size, 4096 + 2 ** 16)
    await finish()
    crash()
    rmSync(path)
  }
})

bad('a journal that another cache, a partition or another group uses', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const journal = join(folder.path, 'main.journal')
  const { crash } = await open(options)
  using other = tempFolder()
  const partitions = { a: { path: join(other.path, 'a.img'), group: 'main' } }
  await refused({ ...options, partitions }, 'ERR_DCACHE_IN_USE', journal)
  crash()
  const link = join(folder.path, 'link')
  linkSync(journal, link)
  const more = { ...options.partitions, c: { path: join(folder.path, 'c.img'), group: 'c' } }
  await refused({ partitions: more, groups: { ...options.groups, c: { journal: { path: link } } } }, 'ERR_DCACHE_IN_USE', "group 'main'") // prettier-ignore
  const asPartition = { ...options.partitions, c: { path: link, group: 'main', size: BLOCK } }
  await refused({ ...options, partitions: asPartition }, 'ERR_DCACHE_IN_USE', "partition 'c'")
})

bad('partitions of one file in different groups', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const path = options.partitions['a']!.path
  options.partitions['b'] = { path, offset: BLOCK * BLOCKS, group: 'other' }
  await refused(options, 'ERR_DCACHE_BAD_OPTION', "partitions 'a' and 'b'", 'in one file')
  assert.equal(readdirSync(folder.path), [])
})

bad('what is no file, or may not be written', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const at = (path: string) => ({ ...options, groups: { main: { journal: { path } } } })
  await refused(at(folder.path), 'ERR_DCACHE_BAD_FILE', folder.path)
  await refused(at('/dev/null'), 'ERR_DCACHE_BAD_FILE', 'not a file')
  await refused(at(join(folder.path, 'missing', 'journal')), 'ERR_DCACHE_BAD_FILE', 'no folder')
  assert.equal(readdirSync(folder.path), [])
  const path = join(folder.path, 'main.journal')
  writeFileSync(path, '')
  chmodSync(path, 0o400)
  if (process.getuid?.() !== 0) await refused(options, 'ERR_DCACHE_READ_ONLY', 'may not be written')
})

bad('a mark that is damaged', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  const mark = join(folder.path, 'a.img.dcache-journal')
  writeFileSync(mark, 'id: 12')
  await refusedUnchanged(folder, options, mark, 'damaged')
  rmSync(mark)
  mkdirSync(mark)
  await refusedUnchanged(folder, options, mark, 'cannot be read')
})

test('the file of a partition that was renamed with its mark still belongs to the journal', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  for (const end of ['', '.dcache-journal'])
    renameSync(join(folder.path, `a.img${end}`), join(folder.path, `new${end}`))
  options.partitions['a']!.path = join(folder.path, 'new')
  const { recovered, crash } = await open(options)
  assert.is(recovered[0]!.replayed.length, 1)
  crash()
})

const parsing = suite('the option groups')

parsing('is a list of names, or an object', () => {
  assert.equal(parseGroups(undefined), { names: [], journals: new Map() })
  assert.equal(parseGroups(['a', 'b']), { names: ['a', 'b'], journals: new Map() })
  const { names, journals } = parseGroups({ a: {}, b: { journal: { path: '/x', size: '1MiB' } }, c: { journal: { path: 'y' } } }) // prettier-ignore
  assert.equal(names, ['a', 'b', 'c'])
  assert.equal([...journals], [
    ['b', { path: '/x', bytes: 2 ** 20 }],
    ['c', { path: join(process.cwd(), 'y'), bytes: undefined }],
  ]) // prettier-ignore
})

parsing('refuses everything else, with the value', () => {
  const wrong: [unknown, ...string[]][] = [
    ['main', "'main'"],
    [null, 'null'],
    [[1], '[ 1 ]'],
    [{ a: null }, "group 'a' is null"],
    [{ a: [] }, "group 'a'"],
    [{ a: { journal: 'x' } }, "group 'a': journal is 'x'"],
    [{ a: { journal: null } }, 'null'],
    [{ a: { journal: {} } }, 'journal.path is undefined'],
    [{ a: { journal: { path: '' } } }, "journal.path is ''"],
    [{ a: { journal: { path: 'x', size: 'big' } } }, 'journal.size', "'big'"],
    [{ a: { journal: { path: 'x' } }, b: { journal: { path: './x' } } }, "group 'b'", "group 'a'"],
  ]
  for (const [groups, ...texts] of wrong)
    try {
      parseGroups(groups)
      assert.unreachable(texts.join())
    } catch (error) {
      if (!(error instanceof CacheError)) throw error
      assert.is(error.code, 'ERR_DCACHE_BAD_OPTION')
      for (const text of texts)
        assert.ok(error.message.includes(text), `${error.message} | should have: ${text}`)
    }
})

parsing('sizes of journals follow from the blocks of their groups', () => {
  const partitions = [
    { name: 'a', blockSize: 512, group: 0 },
    { name: 'b', blockSize: 8192, group: 1 },
  ]
  const of = (groups: unknown) =>
    sizeJournals(parseGroups(groups).journals, { groups: ['g', 'h', 'later'], partitions, frameSize: 65536, blocks: 1e6 }) // prettier-ignore
  const [g, h, later] = of({ g: { journal: { path: 'g' } }, h: { journal: { path: 'h' } }, later: { journal: { path: 'l' } } }) // prettier-ignore
  assert.equal([g, h, later].map((journal) => Math.floor(journal!.size.leastBytes / 4096)), [3, 18, 130]) // prettier-ignore
  assert.is(g!.size.halfBytes, 2 ** 25)
  assert.throws(() => of({ h: { journal: { path: 'h', size: 65536 } } }), /group 'h': journal.size is 65536 bytes; it must be at least/) // prettier-ignore
})

test.run()
bad.run()
parsing.run()
