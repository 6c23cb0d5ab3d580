// `check` finds each kind of damage and names the broken invariant. Each test damages words of an engine of its own, then
// restores them, after which `check` must find nothing. In sound states it finds nothing at all.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { keyHighOf } from '#dist/shared/key.js'
import type { Arena } from '#dist/shared/arena.js'
import { hashOf } from '#dist/shared/hash.js'
import { stampOf } from '#dist/shared/stamp.js'
import { type Bench, withCache } from '../support/open.js'
import { Frame, Group, Header, Spare, State } from '#dist/shared/words.js'
import { sample } from '../support/size.js'

const check = suite('check: every invariant, by name')

/** Damages a cache: blocks 0-3 are clean, 4 and 5 dirty with different classes, and frames 6-11 free. */
async function damaged(name: string, damage: (bench: Bench, frames: number[]) => void): Promise<void> {
  // Without read-ahead, which would insert blocks behind the first four while a damage is undone.
  const options = { cached: 12, flushDelayMs: 1e9, policy: 'lru2', readAheadBytes: 0 } as const
  await withCache(options, async (bench) => {
    const { cache, data, arena } = bench
    for (let block = 0; block < 4; block++) (await data.acquire(block, 'read')).release()
    await data.write(new Uint8Array(512).fill(4), 4 * 512)
    await data.write(new Uint8Array(512).fill(5), 5 * 512, 'directory')
    const frames = Array.from({ length: 6 }, (_, block) => {
      for (let frame = 0; frame < arena.geometry.blocks; frame++) {
        const at = arena.frameAt(frame)
        if (arena.words[at + Frame.keyHigh] === 1 && arena.words[at + Frame.keyLow] === block) return frame
      }
      throw new Error(`block ${block} is not cached`)
    })
    assert.equal(cache.check(), [])
    // Only the words that the damage changes are restored: the engine's workers change others in the meantime.
    const saved = new Map<number, number>()
    const words = new Proxy(arena.words, {
      set(target, index, value: number) {
        const at = Number(index)
        if (!saved.has(at)) saved.set(at, target[at]!)
        target[at] = value
        return true
      },
    })
    damage({ ...bench, arena: Object.create(arena, { words: { value: words } }) as Arena }, frames)
    // The two may differ in the rest of a line: the engine goes on in between with what is damaged.
    for (const broken of [cache.check(), await cache.checkInSteps()])
      assert.ok(
        broken.some((line) => line.startsWith(`${name} `)),
        `${name} is not among: ${broken.join('; ') || 'nothing'}`,
      )
    for (const [at, word] of saved) arena.words[at] = word
    assert.equal(cache.check(), [])
    await cache.flush()
  })
}

/** Sets a word of a frame. */
const frameWord =
  (block: number, field: number, value: (bench: Bench, frames: number[], old: number) => number) =>
  (bench: Bench, frames: number[]): void => {
    const at = bench.arena.frameAt(frames[block]!) + field
    bench.arena.words[at] = value(bench, frames, bench.arena.words[at]!)
  }

/** A block that hashes to another chain than block 0. */
function otherChain(buckets: number): number {
  let block = 1
  while (hashOf(buckets, keyHighOf(0, block), block) === hashOf(buckets, keyHighOf(0, 0), 0)) block++
  return block
}

/** Sets a word by its index. */
const word =
  (index: (bench: Bench) => number, value: (old: number) => number) =>
  (bench: Bench): void => {
    const at = index(bench)
    bench.arena.words[at] = value(bench.arena.words[at]!)
  }

const DAMAGES: readonly [string, string, Parameters<typeof damaged>[1]][] = [
  ['F1', 'a free frame has a name', ({ arena }) => {
    arena.words[arena.frameAt(arena.words[Header.freeHead]! - 1) + Frame.keyHigh] = 1
  }],
  ['F1', 'the free list is a cycle', ({ arena }) => {
    const link = arena.words[Header.freeHead]!
    arena.words[arena.frameAt(link - 1) + Frame.policySlot] = link
  }],
  ['F1', 'a frame is in no list', ({ arena }) => {
    arena.words[Header.freeHead] = arena.words[arena.frameAt(arena.words[Header.freeHead]! - 1) + Frame.policySlot]!
    arena.words[Header.freeCount]!--
  }],
  ['F2', 'the free count is wrong', word(() => Header.freeCount, (old) => old + 1)],
  ['D1', 'a named frame is in no chain', ({ arena }, frames) => {
    const { words, geometry } = arena
    for (let bucket = 0; bucket < geometry.buckets; bucket++) {
      const at = arena.bucketsAt + bucket
      if (words[at] === frames[0]! + 1) words[at] = words[arena.frameAt(frames[0]!) + Frame.next]!
    }
    for (let frame = 0; frame < geometry.blocks; frame++) {
      const at = arena.frameAt(frame) + Frame.next
      if (words[at] === frames[0]! + 1) words[at] = words[arena.frameAt(frames[0]!) + Frame.next]!
    }
  }],
  ['D1', 'a chain is a cycle', frameWord(0, Frame.next, (_, frames) => frames[0]! + 1)],
  ['D1', 'two frames have one name', ({ arena }, frames) => {
    const [a, b] = [arena.frameAt(frames[0]!), arena.frameAt(frames[1]!)]
    arena.words[b + Frame.keyLow] = arena.words[a + Frame.keyLow]!
  }],
  ['D2', 'a frame is in the wrong chain', frameWord(0, Frame.keyLow, ({ arena }) => otherChain(arena.geometry.buckets))],
  ['D2', 'a frame in a chain has no name', frameWord(0, Frame.keyHigh, () => 0)],
  ['P1', 'a frame names another position in the heap', frameWord(2, Frame.policySlot, (_, __, old) => old + 1)],
  ['P2', 'a frame is older than its parent', ({ arena }) => {
    const [top, below] = [arena.words[arena.policyAt]!, arena.words[arena.policyAt + 1]!]
    arena.words[arena.frameAt(top) + Frame.used2] = arena.words[arena.frameAt(below) + Frame.used2]! + 1
  }],
  ['P3', 'a clean block is no victim', ({ arena }) => {
    const { words } = arena
    // Removes the last clean frame from the heap, so that no structure has it any more.
    const size = words[Header.policySize]!
    for (let last = size - 1; last >= 0; last--) {
      const frame = words[arena.policyAt + last]!
      if (words[arena.frameAt(frame) + Frame.dirtyNext] !== 0) continue
      const moved = words[arena.policyAt + size - 1]!
      words[arena.policyAt + last] = moved
      words[arena.frameAt(moved) + Frame.policySlot] = last + 1
      words[arena.frameAt(frame) + Frame.policySlot] = 0
      words[Header.policySize] = size - 1
      break
    }
  }],
  ['W1', 'a dirty block is not in the list', frameWord(0, Frame.state, () => stampOf(1, 1))],
  ['W1', 'a clean block is in the list', frameWord(4, Frame.state, () => 0)],
  ['W2', 'the dirty count is wrong', word(({ arena }) => arena.groupAt(0) + Group.dirty, (old) => old + 1)],
  ['W3', 'a spare has no owner', word(({ arena }) => arena.groupAt(0) + Group.spareHead, () => 0)],
  ['W3', 'a spare has two owners', frameWord(4, Frame.undo, ({ arena }) => arena.words[arena.groupAt(0) + Group.spareHead]!)],
  ['W4', 'an older image has a newer stamp', ({ arena }, frames) => {
    const { words } = arena
    const groupAt = arena.groupAt(0)
    const spare = words[groupAt + Group.spareHead]! - 1
    words[groupAt + Group.epoch] = 100
    words[groupAt + Group.spareHead] = words[arena.spareAt(spare) + Spare.next]!
    words[arena.spareAt(spare) + Spare.next] = 0
    words[arena.spareAt(spare) + Spare.stamp] = stampOf(50, 1)
    words[arena.frameAt(frames[4]!) + Frame.saved] = spare + 1
  }],
  ['W5', 'a stamp is after the epoch', frameWord(4, Frame.state, () => stampOf(1000, 1))],
  ['L1', 'a pin that is in no journal', frameWord(0, Frame.latch, () => 1)],
  ['L1', 'a journal entry without its pin', ({ arena }, frames) => {
    arena.words[arena.journalAt(0) + 200] = (frames[0]! << 2) | 2
    arena.words[arena.frameAt(frames[0]!) + Frame.latch] = 2
  }],
  ['L2', 'a latch of a slot that no thread has', frameWord(0, Frame.latch, () => 51 << 16)],
] // prettier-ignore

for (const [name, what, damage] of sample(DAMAGES, 6)) check(`${name}: ${what}`, () => damaged(name, damage))

check('it finds nothing while guards of all kinds are held', () =>
  withCache({ cached: 12, flushDelayMs: 1e9 }, async ({ cache, data, arena }) => {
    await data.write(new Uint8Array(512).fill(4), 4 * 512)
    const guards = [
      await data.acquire(0, 'read'),
      await data.acquire(0, 'read'),
      await data.acquire(1, 'modify'),
      await data.acquire(2, 'overwrite'),
      await data.acquire(4, 'modify'),
    ]
    assert.is.not(arena.words[arena.frameAt(0) + Frame.state]! & State.CHANGING, 0)
    assert.equal(cache.check(), [])
    for (const guard of guards) guard.release()
    assert.equal(cache.check(), [])
    await cache.flush()
  }),
)

check('it finds nothing in any sound state', () =>
  withCache(
    { cached: 12, flushDelayMs: 1e9, partitions: { data: {}, more: { blockSize: 1024 } } },
    async ({ cache, data }) => {
      const more = cache.partition('more')
      assert.equal(cache.check(), [], 'empty')
      for (let block = 0; block < 30; block++) (await data.acquire(block, 'read')).release()
      assert.equal(cache.check(), [], 'clean, after evictions')
      for (let block = 0; block < 6; block++) await data.write(new Uint8Array(512).fill(1), block * 512)
      assert.equal(cache.check(), [], 'dirty')
      // A search for victims takes dirty blocks out of the policy.
      for (let block = 0; block < 20; block++) (await more.acquire(block, 'read')).release()
      assert.equal(cache.check(), [], 'dirty, after evictions')
      {
        using guard = await data.acquire(0, 'modify')
        assert.equal(cache.check(), [], 'dirty, being changed')
        guard.markDirty('trailer')
      }
      assert.equal(cache.check(), [], 'dirty, of another class')
      await cache.flush()
      assert.equal(cache.check(), [], 'flushed')
      cache.evictClean()
      assert.equal(cache.check(), [], 'emptied')
      for (let block = 0; block < 6; block++) await data.write(new Uint8Array(512).fill(2), block * 512)
      data.forget(0, 64)
      assert.equal(cache.check(), [], 'forgotten while dirty')
      for (let block = 0; block < 20; block++) (await more.acquire(block, 'read')).release()
      data.forget(0, 64)
      more.forget(0, 64)
      assert.equal(cache.check(), [], 'forgotten while clean')
      cache.evictClean()
      assert.equal(cache.check(), [], 'emptied after that')
      assert.is(cache.stats().blocks.free, 12)
    },
  ),
)

check.run()
