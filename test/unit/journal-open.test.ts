// openCache with journals: what it makes, what it recovers and tells, and what it refuses, and then nothing has changed. No
// round runs here, so every cache ends by `abandon`, as by a crash.

import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type BlockCache,
  type CacheErrorCode,
  type GroupOptions,
  type JournalRecovery,
  openCache,
  type PartitionOptions,
} from 'dcache'
import { newestHalf, nextPlace } from '#dist/core/journal/place.js'
import { blocksInHalf, tableBytesOf } from '#dist/shared/journal-size.js'
import { Group, Partition } from '#dist/shared/words.js'
import { appendRecord, memoryOf } from '../support/journal-records.js'
import { refusal, until } from '../support/open.js'
import { type TempFolder, tempFolder } from '../support/temp.js'

const BLOCK = 1024
const BLOCKS = 16

interface Options {
  readonly partitions: Record<string, PartitionOptions>
  readonly groups: Record<string, GroupOptions>
}

const partitionIn = ({ path }: TempFolder, name: string, more: Partial<PartitionOptions> = {}) => ({
  path: join(path, `${name}.img`),
  blockSize: BLOCK,
  size: BLOCK * BLOCKS,
  group: 'main',
  ...more,
})

/** Two partitions in a group with a journal. */
const optionsIn = (folder: TempFolder, size: number | string = '128KiB'): Options => ({
  partitions: { a: partitionIn(folder, 'a'), b: partitionIn(folder, 'b') },
  groups: { main: { journal: { path: join(folder.path, 'main.journal'), size } } },
})

const open = (options: Options): Promise<BlockCache> =>
  openCache({ memory: '1MiB', maxBlockSize: 8192, flushDelayMs: 1e9, dirtyBackground: 1, ...options })

const journalOf = (folder: TempFolder): string => join(folder.path, 'main.journal')
const markOf = (folder: TempFolder, name: string): string => join(folder.path, `${name}.img.dcache-journal`)

/** Names and contents of all files of a folder. */
const contents = ({ path }: TempFolder): Record<string, string> =>
  Object.fromEntries(
    readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(path, name)).isFile())
      .map((name) => [name, readFileSync(join(path, name)).toString('latin1')]),
  )

/** What a block of a file is filled with; -1 if that is not one value. */
function fillOf(path: string, block: number): number {
  const bytes = readFileSync(path).subarray(block * BLOCK, (block + 1) * BLOCK)
  return bytes.every((byte) => byte === bytes[0]) ? bytes[0]! : -1
}

/** A crash with one record that was not written in place. */
async function crashed(folder: TempFolder, options = optionsIn(folder)): Promise<Options> {
  const cache = await open(options)
  appendRecord(cache, [['a', 3, 7], ['b', 4, 8]]) // prettier-ignore
  await cache.abandon()
  return options
}

/** Refused with this code, and no byte of the folder has changed. */
async function refused(
  folder: TempFolder,
  options: Options,
  code: CacheErrorCode,
  ...texts: string[]
): Promise<void> {
  const before = contents(folder)
  await refusal(code, () => open(options), ...texts)
  assert.equal(contents(folder), before)
}

const place = (cache: BlockCache) => {
  const { number, half, at } = nextPlace(memoryOf(cache), cache.handle.journals[0]!.group)
  return { number, half, at }
}

const recordMax = (cache: BlockCache): number => {
  const { words, arena } = memoryOf(cache)
  return words[arena.groupAt(cache.handle.journals[0]!.group) + Group.recordMax]!
}

test('a new journal: its file, the marks, and what other threads need of it', async () => {
  using folder = tempFolder()
  const options = optionsIn(folder)
  const more = { ...options.partitions, other: partitionIn(folder, 'other', { group: 'other' }) }
  const cache = await open({ ...options, partitions: more })
  const [journal, ...rest] = cache.handle.journals
  assert.equal(rest, [])
  const { group, path, fd, id, halfBytes } = structuredClone(journal!)
  assert.equal([cache.handle.groups[group], path, halfBytes], ['main', journalOf(folder), 2 ** 16])
  assert.is(statSync(path).size, 4096 + 2 ** 17)
  assert.ok(fd > 2)
  for (const name of ['a', 'b']) assert.match(readFileSync(markOf(folder, name), 'utf8'), `id: ${id}`)
  assert.not(existsSync(markOf(folder, 'other')))
  assert.equal(cache.recovered, [])
  assert.equal(place(cache), { number: 1, half: 0, at: 0 })
  const { words, arena } = memoryOf(cache)
  const marked = [0, 1, 2].map((index) => words[arena.partitionAt(index) + Partition.marked])
  assert.equal(marked, [1, 1, 0])
  assert.is(recordMax(cache), blocksInHalf(halfBytes, BLOCK, tableBytesOf([{ name: 'a' }, { name: 'b' }])))
  assert.equal(await cache.abandon(), [])
  assert.ok(existsSync(path) && existsSync(markOf(folder, 'a')))
})

test('the default group may have a journal, without a name', async () => {
  using folder = tempFolder()
  const { group: _, ...partition } = partitionIn(folder, 'a')
  const groups = { '': { journal: { path: relative(process.cwd(), journalOf(folder)) } } }
  const cache = await open({ partitions: { a: partition }, groups })
  assert.is(cache.handle.journals[0]!.path, journalOf(folder))
  await cache.abandon()
})

test('what a record has is in place when openCache resolves; the event tells it to a listener that is added then', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  const told: JournalRecovery[] = []
  const cache = await open(options)
  cache.on('recovered', (info) => told.push(info))
  const replayed = [{ number: 1, partitions: { a: 1, b: 1 } }]
  assert.equal(cache.recovered, [{ group: 'main', path: journalOf(folder), replayed, torn: [] }])
  assert.is(fillOf(options.partitions['a']!.path, 3), 7)
  const block = new Uint8Array(BLOCK)
  await cache.partition('b').read(block, 4 * BLOCK)
  assert.ok(block.every((byte) => byte === 8))
  await until('the event', () => told.length > 0)
  assert.equal(told, cache.recovered)
  // The record stays, and the next one goes to the other half.
  assert.equal(place(cache), { number: 2, half: 1, at: 0 })
  assert.is(newestHalf(memoryOf(cache), cache.handle.journals[0]!.group), 0)
  appendRecord(cache, [['a', 3, 9]])
  await cache.abandon()
  const again = await open(options)
  assert.equal(again.recovered[0]!.replayed.map(({ number }) => number), [1, 2]) // prettier-ignore
  assert.is(fillOf(options.partitions['a']!.path, 3), 9)
  await again.abandon()
})

test('a torn record is ignored, and told', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  const bytes = readFileSync(journalOf(folder))
  bytes[4096 + 4096 + 100]! ^= 1
  writeFileSync(journalOf(folder), bytes)
  const cache = await open(options)
  const torn = ['half 0: the checksums of 1 of its 2 blocks are wrong']
  assert.equal(cache.recovered, [{ group: 'main', path: journalOf(folder), replayed: [], torn }])
  assert.is(fillOf(options.partitions['a']!.path, 3), 0)
  await cache.abandon()
})

test('a partition of the group may be read-only if no record has blocks of it', async () => {
  using folder = tempFolder()
  const { partitions, groups } = optionsIn(folder)
  writeFileSync(partitions['b']!.path, new Uint8Array(BLOCK * BLOCKS))
  const { size: _, ...readOnly } = { ...partitions['b']!, readOnly: true }
  const cache = await open({ partitions: { ...partitions, b: readOnly }, groups })
  assert.ok(existsSync(markOf(folder, 'a')))
  assert.not(existsSync(markOf(folder, 'b')))
  appendRecord(cache, [['a', 0, 5]])
  await cache.abandon()
  const again = await open({ partitions: { ...partitions, b: readOnly }, groups })
  assert.is(again.recovered.length, 1)
  await again.abandon()
})

test('a partition that is added is marked, and limits what a record may have', async () => {
  using folder = tempFolder()
  const cache = await open(optionsIn(folder))
  const before = recordMax(cache)
  await cache.addPartition('c', partitionIn(folder, 'c', { blockSize: 4096, size: 4096 }))
  assert.ok(existsSync(markOf(folder, 'c')))
  const { words, arena } = memoryOf(cache)
  assert.is(words[arena.partitionAt(2) + Partition.marked], 1)
  const names = ['a', 'b', 'c'].map((name) => ({ name }))
  assert.is(recordMax(cache), blocksInHalf(2 ** 16, 4096, tableBytesOf(names)))
  assert.ok(recordMax(cache) < before)
  writeFileSync(join(folder.path, 'd.img'), new Uint8Array(8192))
  const { size: _, ...readOnly } = partitionIn(folder, 'd', { blockSize: 4096, readOnly: true })
  await cache.addPartition('d', readOnly)
  assert.not(existsSync(markOf(folder, 'd')))
  await cache.abandon()
})

test('a partition that cannot be added leaves nothing, and the cache as it was', async () => {
  using folder = tempFolder()
  const cache = await open(optionsIn(folder))
  const limit = recordMax(cache)
  const other = join(folder.path, 'other.journal')
  writeFileSync(join(folder.path, 'marked.img'), new Uint8Array(BLOCK))
  writeFileSync(
    markOf(folder, 'marked'),
    readFileSync(markOf(folder, 'a'), 'utf8').replace(/^id: .*$/m, `id: ${'0'.repeat(32)}`),
  )
  mkdirSync(`${markOf(folder, 'unmarkable')}.new`)
  const before = contents(folder)
  const add = (name: string, more: Partial<PartitionOptions>) => () =>
    cache.addPartition(name, partitionIn(folder, name, more))
  const cases: [CacheErrorCode, () => unknown, ...string[]][] = [
    ['ERR_DCACHE_BAD_OPTION', add('large', { blockSize: 8192, size: 8192 }), 'main.journal', '8192', 'journal.size'],
    ['ERR_DCACHE_BAD_JOURNAL', add('marked', {}), 'marked.img', '0'.repeat(32)],
    ['ERR_DCACHE_IN_USE', add('c', { path: journalOf(folder), size: 2 ** 20 }), "partition 'c'"],
    ['ERR_DCACHE_BAD_JOURNAL', add('unmarkable', {}), 'cannot be made'],
  ] // prettier-ignore
  for (const [code, call, ...texts] of cases) {
    await refusal(code, call, ...texts)
    assert.equal(contents(folder), before)
    assert.is(recordMax(cache), limit)
  }
  assert.not(existsSync(other))
  await cache.addPartition('c', partitionIn(folder, 'c'))
  await cache.abandon()
})

test('a file that belongs to a journal is not added to a cache without it, but may be read', async () => {
  using folder = tempFolder()
  await crashed(folder)
  await using cache = await openCache({ memory: '1MiB', maxBlockSize: 8192, partitions: {} })
  const before = contents(folder)
  const { group: _, ...partition } = partitionIn(folder, 'a')
  await refusal('ERR_DCACHE_BAD_JOURNAL', () => cache.addPartition('a', partition), journalOf(folder))
  assert.equal(contents(folder), before)
  await cache.addPartition('a', { ...partition, readOnly: true })
})

const bad = suite('refused, and nothing has changed')

bad('a journal that is too small for its blocks, or has no whole pages', async () => {
  using folder = tempFolder()
  for (const size of [0, 8192, 20_000, '128Kib!', -1])
    await refused(folder, optionsIn(folder, size), 'ERR_DCACHE_BAD_OPTION', "group 'main'", 'journal.size')
})

bad('a journal that is the file of a partition, or of another group', async () => {
  using folder = tempFolder()
  const { partitions, groups } = optionsIn(folder)
  await open({ partitions, groups }).then((cache) => cache.abandon())
  const path = join(folder.path, 'a.img')
  await refused(folder, { partitions, groups: { main: { journal: { path } } } }, 'ERR_DCACHE_IN_USE', "'a'")
  const two = { ...groups, other: groups['main']! }
  await refused(folder, { partitions, groups: two }, 'ERR_DCACHE_BAD_OPTION', "'other'", "'main'")
  const link = join(folder.path, 'link')
  linkSync(journalOf(folder), link)
  const linked = { ...groups, other: { journal: { path: link } } }
  await refused(folder, { partitions, groups: linked }, 'ERR_DCACHE_IN_USE', link, "'main'")
})

bad('partitions of one file in different groups', async () => {
  using folder = tempFolder()
  const { partitions, groups } = optionsIn(folder)
  const b = { ...partitions['a']!, offset: BLOCK * BLOCKS, group: 'other' }
  await refused(folder, { partitions: { ...partitions, b }, groups }, 'ERR_DCACHE_BAD_OPTION', "'b'", "'a'")
})

bad('a journal that another cache has open', async () => {
  using folder = tempFolder()
  const { partitions, groups } = optionsIn(folder)
  const cache = await open({ partitions, groups })
  const c = partitionIn(folder, 'c')
  await refused(folder, { partitions: { c }, groups }, 'ERR_DCACHE_IN_USE', journalOf(folder))
  await cache.abandon()
})

bad('files that were not closed, without their journal or with another one', async () => {
  using folder = tempFolder()
  const { partitions, groups } = await crashed(folder)
  const code = 'ERR_DCACHE_BAD_JOURNAL'
  await refused(folder, { partitions, groups: {} }, code, 'a.img', journalOf(folder), 'remove')
  const other = { main: { journal: { path: join(folder.path, 'other') } } }
  await refused(folder, { partitions, groups: other }, code, 'a.img', journalOf(folder))
  const aside = `${journalOf(folder)}.aside`
  copyFileSync(journalOf(folder), aside)
  rmSync(journalOf(folder))
  await refused(folder, { partitions, groups }, code, 'a.img', journalOf(folder))
  copyFileSync(aside, journalOf(folder))
  const cache = await open({ partitions, groups })
  assert.is(cache.recovered[0]!.replayed.length, 1)
  await cache.abandon()
})

bad('a journal that is damaged, truncated, or something else', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  const path = journalOf(folder)
  const whole = readFileSync(path)
  const damaged = whole.map((byte, i) => (i === 20 ? byte ^ 1 : byte))
  for (const [bytes, text] of [
    [damaged, 'header'],
    [Buffer.from('a letter'), 'not a journal'],
    [whole.subarray(0, -1), 'restore it'],
  ] as const) {
    writeFileSync(path, bytes)
    await refused(folder, options, 'ERR_DCACHE_BAD_JOURNAL', path, text)
  }
})

bad('a record of a partition that has changed or is missing', async () => {
  using folder = tempFolder()
  const { partitions, groups } = await crashed(folder)
  const { a, b } = partitions as { a: PartitionOptions; b: PartitionOptions }
  const { size: _, ...rest } = b
  const cases: [Record<string, PartitionOptions>, string][] = [
    [{ a }, 'does not have'],
    [{ a, b: { ...rest, readOnly: true } }, 'readOnly'],
    [{ a, b: { ...b, blockSize: 512 } }, '512'],
    [{ a, b: { ...b, offset: BLOCK } }, `byte ${BLOCK}`],
  ]
  for (const [changed, text] of cases)
    await refused(folder, { partitions: changed, groups }, 'ERR_DCACHE_BAD_JOURNAL', 'record 1', "'b'", text)
  truncateSync(b.path, 4 * BLOCK)
  await refused(
    folder,
    { partitions: { a, b: rest }, groups },
    'ERR_DCACHE_BAD_JOURNAL',
    "'b'",
    'has 4 blocks',
  )
})

bad('a file whose mark is missing, or a mark that cannot be made: what was made before is gone', async () => {
  using folder = tempFolder()
  const options = await crashed(folder)
  rmSync(markOf(folder, 'b'))
  await refused(folder, options, 'ERR_DCACHE_BAD_JOURNAL', "'b'", 'no mark')
  using empty = tempFolder()
  mkdirSync(`${markOf(empty, 'b')}.new`)
  await refused(empty, optionsIn(empty), 'ERR_DCACHE_BAD_JOURNAL', markOf(empty, 'b'), 'cannot be made')
})

bad('a place where no journal can be', async () => {
  using folder = tempFolder()
  const { partitions } = optionsIn(folder)
  const at = (path: string) => ({ partitions, groups: { main: { journal: { path } } } })
  await refused(folder, at(folder.path), 'ERR_DCACHE_BAD_FILE', folder.path)
  await refused(folder, at('/dev/null'), 'ERR_DCACHE_BAD_FILE', 'not a file')
  await refused(folder, at(join(folder.path, 'missing', 'j')), 'ERR_DCACHE_BAD_FILE', 'no folder')
})

test.run()
bad.run()
