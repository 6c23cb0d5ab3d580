// A pool of more than 4 GiB works, or is refused with an error of its own. In the ancestor a 32-bit product overflowed near
// 4 GiB: 1 MiB was allocated, and the first read corrupted memory. Only the memory of used blocks is touched: the tests
// reverse the free list, so that the blocks at the far end are used first.

import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type BlockCache, CacheError, openCache } from 'dcache'
import type { Arena } from '#dist/shared/arena.js'
import { attachSlot } from '#dist/shared/slot.js'
import { setSlotName, slotName } from '#dist/shared/slot-name.js'
import { openArena } from '#dist/workers/attach.js'
import { firstClientSlot } from '#dist/shared/layout.js'
import { assertSound, inThread } from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { Frame, Header, Slot, SlotState } from '#dist/shared/words.js'

const BLOCK = 65536
const GIB = 2 ** 30
/** How many threads may attach; the tests take all the slots. */
const THREADS = 3

/** Reverses the free list: the last frame becomes the first to be used. */
function turnFreeListAround(arena: Arena): void {
  const { words, geometry } = arena
  let link = 0
  for (let frame = 0; frame < geometry.blocks; frame++) {
    words[arena.frameAt(frame) + Frame.policySlot] = link
    link = frame + 1
  }
  words[Header.freeHead] = link
}

/** A block's contents: its number, repeated. */
const contents = (block: number, salt: number): Buffer => Buffer.alloc(BLOCK, `${block} ${salt} `)

async function openLarge(path: string, memory: number): Promise<BlockCache | undefined> {
  try {
    const partitions = { data: { path, blockSize: BLOCK } }
    return await openCache({ memory, partitions, flushDelayMs: 1e9, readAheadBytes: 0, threads: THREADS })
  } catch (error) {
    // The machine may not have as much memory: then the error must say so.
    assert.instance(error, CacheError)
    assert.is((error as CacheError).code, 'ERR_DCACHE_MEMORY')
    console.log(`# ${memory / GIB} GiB: refused`)
    return undefined
  }
}

/** Takes all slots and names them: each shows its own name, and no other word changes. */
async function withAllSlots(cache: BlockCache, arena: Arena): Promise<void> {
  const { slots } = arena.geometry
  const slotWords = () => [...arena.words.subarray(arena.slotsAt, arena.slotAt(slots))]
  const first = firstClientSlot({ writers: 1 })
  const names = Array.from({ length: THREADS }, (_, i) => `${'x'.repeat(62)}${i}`)
  for (let i = 0; i < THREADS; i++) assert.is(attachSlot(arena, first, slots, 1000 + i).index, first + i)
  const before = slotWords()
  for (let i = 0; i < THREADS; i++) setSlotName(arena, first + i, names[i]!)
  assert.equal(slotWords(), before, 'names are stored behind the slots')
  for (let i = 0; i < THREADS; i++) {
    assert.is(slotName(arena, first + i), names[i])
    assert.is(arena.words[arena.slotAt(first + i) + Slot.threadId], 1000 + i)
  }
  assert.equal(cache.check(), [])
  for (let i = 0; i < THREADS; i++) arena.words[arena.slotAt(first + i) + Slot.state] = SlotState.FREE
}

for (const memory of [4 * GIB - BLOCK, 4 * GIB, 4 * GIB + 16 * BLOCK, 5 * GIB]) {
  test(`a pool of ${(memory / GIB).toFixed(4)} GiB works or is refused`, async () => {
    using folder = tempFolder()
    const path = join(folder.path, 'data')
    const fd = openSync(path, 'w+')
    ftruncateSync(fd, 6 * GIB)
    // Blocks on both sides of 2 GiB and 4 GiB of the file.
    const blocks = [0, 1, 2 ** 15 - 1, 2 ** 15, 2 ** 16 - 1, 2 ** 16, 2 ** 16 + 1, 6 * 2 ** 14 - 1]
    for (const block of blocks) writeSync(fd, contents(block, 0), 0, BLOCK, block * BLOCK)
    const cache = await openLarge(path, memory)
    try {
      if (cache === undefined) return
      const arena = openArena(cache.handle)
      const { size, spares } = cache.stats()
      assert.is((size + spares.total) * BLOCK, memory)
      assert.ok(cache.handle.buffer.byteLength >= memory)
      turnFreeListAround(arena)
      const data = cache.partition('data')
      for (const block of blocks) {
        using guard = await data.acquire(block, 'modify')
        assert.ok(Buffer.compare(guard.data, contents(block, 0)) === 0, `block ${block}, read`)
        const at = guard.data.byteOffset - arena.layout.data
        assert.ok(at >= (size - blocks.length) * BLOCK, 'at the far end')
        guard.data.set(contents(block, 1))
        guard.markDirty()
      }
      // Undo images of dirty blocks are in the spares, which are at the end of the pool.
      {
        const guard = await data.acquire(1, 'modify')
        guard.data.set(contents(1, 2))
        guard.discard()
      }
      await inThread(cache.handle, blocks, ({ client, args }) => {
        const partition = client.partition('data')
        for (const block of args) {
          const guard = partition.acquireSync(block, 'read')
          const text = `${block} 1 `
          for (let i = 0; i < text.length; i++)
            if (guard.data[i] !== text.charCodeAt(i)) throw new Error(`block ${block} in a thread`)
          guard.release()
        }
      })
      await withAllSlots(cache, arena)
      await cache.flush()
      for (const block of blocks) {
        const bytes = Buffer.alloc(BLOCK)
        readSync(fd, bytes, 0, BLOCK, block * BLOCK)
        assert.ok(bytes.equals(contents(block, 1)), `block ${block}, written`)
      }
      assertSound(cache)
    } finally {
      closeSync(fd)
      await cache?.close()
    }
  })
}

test.run()
