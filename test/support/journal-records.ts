// Records in the journal of an open cache, made by hand as a round makes them: for tests of what opening and the owner do with
// them.

import type { BlockCache } from 'dcache'
import { FileDevice } from '#dist/core/device/file-device.js'
import { halfAt } from '#dist/core/journal/file-header.js'
import { beginRecord, concludeRecord, nextPlace, recordedTo } from '#dist/core/journal/place.js'
import { planRecord, type RecordPlace } from '#dist/core/journal/record.js'
import { placeFor } from '#dist/core/journal/recover.js'
import { openArena } from '#dist/workers/attach.js'
import { encodeRecord } from './records.js'

/** A block, and the byte that it is filled with. */
export type Image = readonly [partition: string, block: number, fill: number]

/** Appends a record to the journal of the cache's first group with one. It is not written in place. */
export function appendRecord(cache: BlockCache, images: readonly Image[]): RecordPlace {
  const [journal] = cache.handle.journals
  const { group, fd, halfBytes } = journal!
  const id = Buffer.from(journal!.id, 'hex')
  const memory = memoryOf(cache)
  const names = [...new Set(images.map(([name]) => name))]
  const partitions = names.map((name) => {
    const { blockSize, blocks } = cache.partition(name)
    return { name, blockSize, blocks, offset: 0, isMarked: true }
  })
  const keys = {
    partitions: images.map(([name]) => names.indexOf(name)),
    blocks: images.map(([, block]) => block),
  }
  const plan = planRecord(partitions, keys)
  const record = new Uint8Array(new SharedArrayBuffer(plan.bytes))
  images.forEach(([name, , fill], i) => {
    const { blockSize } = partitions[names.indexOf(name)]!
    record.fill(fill, plan.positions[i], plan.positions[i]! + blockSize)
  })
  const place = placeFor(nextPlace(memory, group), plan.bytes, { id, halfBytes })
  encodeRecord(record, { id, ...place }, partitions, keys, plan)
  const device = new FileDevice(fd, 0)
  device.writeSync([record], halfAt({ id, halfBytes }, place.half) + place.at)
  device.syncSync()
  beginRecord(memory, group, place, plan.bytes, recordedTo(memory, group))
  concludeRecord(memory, group)
  return place
}

/** The shared memory of a cache, for functions that need no more of a context. */
export function memoryOf({ handle }: Pick<BlockCache, 'handle'>) {
  const arena = openArena(handle)
  return { arena, words: arena.words }
}
