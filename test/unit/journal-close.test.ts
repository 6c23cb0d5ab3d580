// The orderly end of a journal, and partitions that go or shrink: records are erased, since recovery would refuse or replay
// them wrongly, and marks are removed. Records are made by hand, so nothing here depends on what rounds write.

import { existsSync, fstatSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type BlockCache, type CacheOptions, openCache, type PartitionOptions } from 'dcache'
import { newestHalf, nextPlace } from '#dist/core/journal/place.js'
import { scanJournal } from '#dist/core/journal/scan.js'
import { FileStorage } from '#dist/core/journal/storage.js'
import { OWNER_SLOT } from '#dist/shared/layout.js'
import { Group, Slot } from '#dist/shared/words.js'
import { appendRecord, memoryOf } from '../support/journal-records.js'
import { refusal, until } from '../support/open.js'
import { type TempFolder, tempFolder } from '../support/temp.js'

const BLOCK = 1024
const BLOCKS = 16

const partitionIn = ({ path }: TempFolder, name: string, blockSize = BLOCK): PartitionOptions => ({
  path: join(path, `${name}.img`),
  blockSize,
  size: BLOCK * BLOCKS,
  group: 'main',
})

const optionsIn = (folder: TempFolder): CacheOptions => ({
  memory: '1MiB',
  maxBlockSize: 4096,
  flushDelayMs: 1e9,
  dirtyBackground: 1,
  groups: { main: { journal: { path: join(folder.path, 'main.journal'), size: '128KiB' } } },
  partitions: { a: partitionIn(folder, 'a'), b: partitionIn(folder, 'b', 4096) },
})

const markOf = (folder: TempFolder, name: string): string => join(folder.path, `${name}.img.dcache-journal`)
const bytesOf = (folder: TempFolder, name: string): Buffer => readFileSync(join(folder.path, `${name}.img`))

/** How many records each half of a cache's journal has. */
async function recordsIn({ handle }: BlockCache): Promise<number[]> {
  const { fd, id, halfBytes } = handle.journals[0]!
  const halves = await scanJournal(new FileStorage(fd), { id: Buffer.from(id, 'hex'), halfBytes })
  return halves.map(({ records }) => records.length)
}

function placeIn(cache: BlockCache) {
  const { number, half, at } = nextPlace(memoryOf(cache), cache.handle.journals[0]!.group)
  return { number, half, at }
}

test('after close nothing is replayed over what other programs have written, and no mark is left', async () => {
  using folder = tempFolder()
  const cache = await openCache(optionsIn(folder))
  await cache.partition('a').write(new Uint8Array(BLOCK).fill(1), 0)
  appendRecord(cache, [['a', 3, 7]])
  await cache.close()
  await cache.close()
  for (const name of ['a', 'b']) assert.not(existsSync(markOf(folder, name)))
  assert.is(bytesOf(folder, 'a')[0], 1)
  writeFileSync(join(folder.path, 'a.img'), new Uint8Array(BLOCK * BLOCKS).fill(5))
  const again = await openCache(optionsIn(folder))
  assert.equal(again.recovered, [])
  assert.ok(bytesOf(folder, 'a').every((byte) => byte === 5))
  await again.close()
})

test('a close without a round after recovery erases the half of the newest record last', async () => {
  using folder = tempFolder()
  const cache = await openCache(optionsIn(folder))
  appendRecord(cache, [['a', 3, 7]])
  await cache.abandon()
  const again = await openCache(optionsIn(folder))
  assert.is(placeIn(again).half, 1)
  assert.is(newestHalf(memoryOf(again), again.handle.journals[0]!.group), 0)
  await again.close()
  const third = await openCache(optionsIn(folder))
  assert.equal(third.recovered, [])
  await third.close()
})

test('close that cannot remove a mark says so, has closed all, and nothing is replayed', async () => {
  using folder = tempFolder()
  const cache = await openCache(optionsIn(folder))
  appendRecord(cache, [['a', 3, 7]])
  rmSync(markOf(folder, 'a'))
  mkdirSync(markOf(folder, 'a'))
  await refusal('ERR_DCACHE_BAD_JOURNAL', () => cache.close(), markOf(folder, 'a'), 'cannot be removed')
  assert.not(existsSync(markOf(folder, 'b')))
  await cache.close()
  assert.equal(await cache.abandon(), [])
  rmSync(markOf(folder, 'a'), { recursive: true })
  const again = await openCache(optionsIn(folder))
  assert.equal(again.recovered, [])
  await again.close()
})

test('close leaves the records while a thread is inside a call into the system, and says so', async () => {
  using folder = tempFolder()
  const warnings: string[] = []
  const note = ({ message }: Error) => warnings.push(message)
  process.on('warning', note)
  try {
    const cache = await openCache(optionsIn(folder))
    appendRecord(cache, [['a', 3, 7]])
    const { fd, path } = cache.handle.journals[0]!
    const { words, arena } = memoryOf(cache)
    const at = arena.slotAt(OWNER_SLOT) + Slot.inIo
    Atomics.add(words, at, 1)
    await cache.close()
    await until('the warning', () => warnings.length > 0)
    for (const text of [`${fd} of the journal of group 'main'`, 'the journals keep their records'])
      assert.ok(warnings[0]!.includes(text), warnings[0])
    assert.is(fstatSync(fd).ino, statSync(path).ino, 'its number must not name another file')
    await refusal('ERR_DCACHE_IN_USE', () => openCache(optionsIn(folder)))
    Atomics.sub(words, at, 1)
    await until('the descriptor is closed', () => {
      try {
        return fstatSync(fd).ino !== statSync(path).ino
      } catch {
        return true
      }
    })
    const again = await openCache(optionsIn(folder))
    assert.equal(again.recovered[0]!.replayed, [{ number: 1, partitions: { a: 1 } }])
    await again.close()
  } finally {
    process.off('warning', note)
  }
})

test('a dropped partition is in no record and has no mark; the next record begins the other half', async () => {
  using folder = tempFolder()
  const cache = await openCache(optionsIn(folder))
  const { words, arena } = memoryOf(cache)
  const max = () => words[arena.groupAt(cache.handle.journals[0]!.group) + Group.recordMax]!
  const before = max()
  appendRecord(cache, [['a', 3, 7], ['b', 1, 8]]) // prettier-ignore
  appendRecord(cache, [['a', 3, 7]])
  await cache.dropPartition('b')
  assert.equal(await recordsIn(cache), [0, 0])
  assert.ok(max() > before, 'the blocks that are left are smaller')
  assert.equal(placeIn(cache), { number: 3, half: 1, at: 0 })
  assert.ok(existsSync(markOf(folder, 'a')))
  assert.not(existsSync(markOf(folder, 'b')))
  appendRecord(cache, [['a', 4, 9]])
  await cache.abandon()
  const { partitions, ...rest } = optionsIn(folder)
  const again = await openCache({ ...rest, partitions: { a: partitions['a']! } })
  assert.equal(again.recovered[0]!.replayed, [{ number: 3, partitions: { a: 1 } }])
  assert.is(bytesOf(folder, 'a')[4 * BLOCK], 9)
  // The same name again, for another file.
  await again.addPartition('b', { ...partitions['b']!, path: join(folder.path, 'c.img') })
  assert.ok(existsSync(markOf(folder, 'c')))
  await again.dropPartition('b', { flush: false })
  assert.not(existsSync(markOf(folder, 'c')))
  await again.close()
})

test('what was changed is in place when a partition is dropped', async () => {
  using folder = tempFolder()
  const cache = await openCache(optionsIn(folder))
  await cache.partition('a').write(new Uint8Array(BLOCK).fill(3), 0)
  await cache.partition('b').write(new Uint8Array(BLOCK).fill(4), 0)
  await cache.dropPartition('b')
  assert.is(bytesOf(folder, 'b')[0], 4)
  await cache.close()
  assert.is(bytesOf(folder, 'a')[0], 3)
})

test('a drop that cannot remove the mark says so; the partition is gone, and its file closed', async () => {
  using folder = tempFolder()
  const cache = await openCache(optionsIn(folder))
  rmSync(markOf(folder, 'b'))
  mkdirSync(markOf(folder, 'b'))
  await refusal('ERR_DCACHE_BAD_JOURNAL', () => cache.dropPartition('b'), markOf(folder, 'b'))
  await refusal('ERR_DCACHE_UNKNOWN_PARTITION', () => cache.partition('b'))
  rmSync(markOf(folder, 'b'), { recursive: true })
  await using other = await openCache({ memory: '1MiB', partitions: { b: partitionIn(folder, 'b') } })
  assert.is(other.partition('b').blocks, BLOCKS)
  await cache.close()
})

test('a partition that shrinks is in no record any more, and grows again', async () => {
  using folder = tempFolder()
  const cache = await openCache(optionsIn(folder))
  appendRecord(cache, [['a', BLOCKS - 1, 7]])
  await cache.partition('a').resize(4)
  assert.equal(await recordsIn(cache), [0, 0])
  assert.is(statSync(join(folder.path, 'a.img')).size, 4 * BLOCK)
  appendRecord(cache, [['a', 3, 9]])
  await cache.abandon()
  const { partitions, ...rest } = optionsIn(folder)
  const { size: _, ...a } = partitions['a']!
  const again = await openCache({ ...rest, partitions: { ...partitions, a } })
  assert.equal(again.recovered[0]!.replayed, [{ number: 2, partitions: { a: 1 } }])
  assert.is(await again.partition('a').extend(2), 4)
  appendRecord(again, [['a', 5, 6]])
  await again.abandon()
  const third = await openCache({ ...rest, partitions: { ...partitions, a } })
  assert.is(bytesOf(folder, 'a')[5 * BLOCK], 6)
  await third.close()
})

test.run()
