// Policy `2q` step by step: the FIFO, the ghosts, the CLOCK, and the damage that its check finds.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache } from 'dcache'
import { keyLowOf, keyHighOf } from '#dist/shared/key.js'
import { ALL_CLEAN, nameFrame, policyArena, policyIn } from '#dist/bench/replay/policy-replay.js'
import { tempFolder } from '../support/temp.js'
import { inThreads } from '../support/threads.js'
import { Fit } from '#dist/core/policy/policy.js'
import { Frame, Ghost, Header } from '#dist/shared/words.js'
import { onlyNormal } from '../support/size.js'

const bodies = import.meta.resolve('./workers/policy.js')

/** A policy for 20 blocks, two of them in the FIFO, and a model of the cache that it serves. */
function fresh(blocks = 20) {
  const arena = policyArena('2q', blocks)
  const policy = policyIn(arena, '2q')
  const victim = (candidates = ALL_CLEAN): number => policy.victim(candidates, 0, 0)
  const frames = new Map<string, number>()
  let free = 0
  /** One access: 'hit', 'new', or 'back' if the block was a ghost. */
  const use = (block: number, partition = 0): 'hit' | 'new' | 'back' => {
    const name = `${partition} ${block}`
    const found = frames.get(name)
    if (found !== undefined) {
      policy.note(found)
      return 'hit'
    }
    let frame = free
    if (frame < blocks) free++
    else {
      frame = victim()
      policy.evicted(frame)
      for (const [old, holder] of frames) if (holder === frame) frames.delete(old)
    }
    policy.insert(frame, keyHighOf(partition, block), keyLowOf(block))
    nameFrame(arena, frame, partition, block)
    frames.set(name, frame)
    return arena.words[arena.policyAt + frame] === 1 ? 'back' : 'new'
  }
  /** The next use of each block counts again. */
  const nextPeriod = (): void => {
    arena.words[Header.policyClock]! += 1
  }
  const has = (block: number, partition = 0): boolean => frames.has(`${partition} ${block}`)
  const fill = (first: number, count: number): void => {
    for (let block = first; block < first + count; block++) use(block)
  }
  return { arena, policy, victim, frames, use, has, fill, nextPeriod }
}

test('new blocks are evicted in their order, however often they were used', () => {
  const { policy, use, has, fill } = fresh()
  fill(0, 20)
  for (let i = 0; i < 100; i++) use(0)
  use(20)
  assert.not.ok(has(0))
  assert.ok(has(1))
  assert.equal(policy.check(), [])
})

test('a block that comes back soon is kept, past any scan', () => {
  const { policy, use, has, fill } = fresh()
  fill(0, 25)
  assert.equal([use(0), use(1)], ['back', 'back'])
  fill(100, 200)
  assert.ok(has(0) && has(1))
  assert.equal(policy.check(), [])
})

test('the newest ghosts are kept, as many as there are blocks', () => {
  const { policy, use, fill } = fresh()
  fill(0, 40)
  // 0 to 19 were evicted; now 20 is evicted too, and the ghost of 0 is dropped.
  assert.is(use(1), 'back')
  assert.is(use(0), 'new')
  assert.equal(policy.check(), [])
})

test('a ghost counts for one return', () => {
  const { policy, arena, frames, use, fill } = fresh()
  fill(0, 21)
  assert.is(use(0), 'back')
  const frame = frames.get('0 0')!
  policy.remove(frame)
  policy.evicted(frame)
  policy.insert(frame, keyHighOf(0, 0), 0)
  assert.is(arena.words[arena.policyAt + frame], 0, 'a block evicted from the main part leaves no ghost')
  assert.equal(policy.check(), [])
})

test('ghosts are told apart by partition and by all bits of the block', () => {
  const { use, fill } = fresh()
  use(5, 1)
  use(2 ** 32 + 5)
  use(2 ** 45 + 5)
  fill(100, 21)
  assert.is(use(5), 'new')
  assert.is(use(5, 2), 'new')
  assert.is(use(2 ** 33 + 5), 'new')
  assert.equal([use(5, 1), use(2 ** 32 + 5), use(2 ** 45 + 5)], ['back', 'back', 'back'])
})

/** A policy whose main part has blocks 0 to 17, without uses, and whose FIFO has two others. */
function withMain() {
  const cache = fresh()
  cache.fill(0, 38)
  for (let block = 0; block < 18; block++) assert.is(cache.use(block), 'back')
  assert.is(cache.arena.words[Header.fifoSize], 2)
  return cache
}

/** The next victims of a policy whose FIFO has no more than its share. */
function victims({ arena, victim }: ReturnType<typeof fresh>, count: number): number[] {
  return Array.from({ length: count }, () => {
    const frame = victim()
    return arena.words[arena.frameAt(frame) + Frame.keyLow]!
  })
}

test('the hand passes a block once for each use, at most three times', () => {
  const cache = withMain()
  for (let period = 0; period < 5; period++) {
    cache.nextPeriod()
    for (let i = 0; i < 50; i++) cache.use(0)
    if (period < 1) cache.use(1)
    if (period < 2) cache.use(2)
  }
  // The first pass leaves 0 with two uses, 1 with none and 2 with one; the unused blocks follow.
  const blocks = victims(cache, 18)
  assert.equal(blocks, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 1, 2, 0])
  assert.is(cache.policy.size(), 2)
  assert.equal(cache.policy.check(), [])
})

test('a dirty victim stays out, and is the next victim when it is readmitted', () => {
  const { policy, victim, arena, nextPeriod } = withMain()
  nextPeriod()
  const first = victim()
  assert.not.ok(policy.has(first))
  const second = victim()
  policy.note(first)
  assert.is(policy.size(), 18)
  policy.readmit(second)
  policy.readmit(first)
  assert.ok(policy.has(first) && policy.has(second))
  assert.is(arena.words[arena.policyAt + first], 1, 'it is in the part where it was before')
  assert.is(victim(), second, 'the use that was noted in the meantime counts')
  assert.equal(policy.check(), [])
})

test('a victim that is held counts as just used', () => {
  for (const cache of [fresh(), withMain()]) {
    cache.fill(1000, 1) // the FIFO has one block only
    cache.fill(2000, 19)
    const { policy, victim } = cache
    const size = policy.size()
    let held = -1
    const firstIsHeld = (frame: number) => {
      if (held < 0) held = frame
      return frame === held ? Fit.HELD : Fit.CLEAN
    }
    assert.is.not(victim({ look: firstIsHeld, take: firstIsHeld }), held)
    assert.is(policy.size(), size - 1)
    assert.ok(policy.has(held))
    let steps = 2
    while (victim() !== held) steps++
    assert.ok(steps > 10, `it was victim again after ${steps} others`)
    assert.equal(policy.check(), [])
  }
})

test('all frames can be removed, and then there is no victim', () => {
  const { policy, victim } = withMain()
  const out = new Set(Array.from({ length: 20 }, () => victim()))
  assert.is(out.size, 20)
  assert.equal([victim(), policy.size()], [-1, 0])
  assert.equal(policy.check(), [])
  for (const frame of out) policy.readmit(frame)
  assert.is(policy.size(), 20)
  assert.equal(policy.check(), [])
})

test('a cache of the minimum size works', () => {
  for (const blocks of [1, 2, 3, 11]) {
    const { policy, use } = fresh(blocks)
    for (let i = 0; i < 500; i++) use((Math.imul(i, 0x9e3779b1) >>> 16) % 7)
    assert.is(policy.size(), Math.min(blocks, 7))
    assert.equal(policy.check(), [])
  }
})

test('uses that other threads note concurrently break nothing', async () => {
  const { buffer } = policyArena('2q', 100)
  const [broken] = await inThreads<string[]>(bodies, 'noteAndEvict', {
    threads: 3,
    buffer,
    args: { turns: 300_000, name: '2q' },
  })
  assert.equal(broken, [])
})

test('the check names each broken invariant', () => {
  const at = (arena: { frameAt: (frame: number) => number }, field: keyof typeof Frame) =>
    arena.frameAt(4) + Frame[field]
  const damages: [string, (cache: ReturnType<typeof fresh>) => void][] = [
    ['P1', ({ arena }) => (arena.words[arena.policyAt + 4]! ^= 1)],
    ['P1', ({ arena }) => (arena.words[at(arena, 'used')] = 9)],
    ['P2', ({ arena }) => (arena.words[at(arena, 'policySlot')] = 0)],
    ['P2', ({ arena }) => arena.words[Header.policySize]!++],
    ['P2', ({ arena }) => arena.words[Header.fifoSize]!--],
    ['P4', ({ arena }) => arena.words[Header.ghostsUsed]!--],
    ['P4', ({ arena }) => (arena.words[arena.ghostsAt + 3 * Ghost.WORDS + Ghost.older] = 9)],
    [
      'P5',
      ({ arena }) =>
        arena.words[arena.ghostsAt + (arena.words[Header.ghostOldest]! - 1) * Ghost.WORDS + Ghost.keyLow]!++,
    ],
    ['P5', ({ arena }) => (arena.words[arena.ghostsAt + 19 * Ghost.WORDS + Ghost.keyHigh] = 0)],
  ]
  for (const [name, damage] of damages) {
    const cache = fresh()
    cache.fill(0, 60)
    assert.equal(cache.policy.check(), [])
    damage(cache)
    const broken = cache.policy.check()
    assert.ok(
      broken.some((text) => text.startsWith(name)),
      `${name}: ${broken.join('; ')} after ${String(damage)}`,
    )
  }
})

onlyNormal(test, 'a cache with this policy is correct, and keeps its hits during a scan', async () => {
  using folder = tempFolder()
  const partitions = { a: { path: folder.write('a', ''), blockSize: 512, size: 512 * 4000 } }
  const cache = await openCache({ memory: 512 * 128, policy: '2q', partitions, flushDelayMs: 50 })
  try {
    const partition = cache.partition('a')
    const expected = new Map<number, number>()
    let seed = 5
    for (let i = 0; i < 20_000; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      const block = i % 2 === 0 ? (seed >>> 8) % 60 : 60 + ((i >> 1) % 3900)
      const isChanged = i % 5 === 0
      using guard = await partition.acquire(block, isChanged ? 'modify' : 'read')
      assert.is(guard.data[7], expected.get(block) ?? 0, `block ${block}`)
      if (isChanged) {
        expected.set(block, i & 255)
        guard.data[7] = i & 255
        guard.markDirty()
      }
    }
    const { hits, misses } = cache.stats()
    assert.ok(hits / (hits + misses) > 0.45, `${hits} hits, ${misses} misses`)
    await cache.flush()
    assert.equal(cache.check(), [])
    cache.evictClean()
    for (const [block, value] of expected) {
      using guard = await partition.acquire(block, 'read')
      assert.is(guard.data[7], value)
    }
    assert.equal(cache.check(), [])
  } finally {
    await cache.close()
  }
})

test.run()
