// Policy `adaptive`: the bound of a search, frames that may not go, a death, a pool that grows, uses by several threads, the damage
// that its check finds, and a cache that has it.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache } from 'dcache'
import { Fit, type Candidates } from '#dist/core/policy/policy.js'
import { keyHighOf } from '#dist/shared/key.js'
import { runSteps } from '#dist/shared/steps.js'
import { Ghost, Frame, Header } from '#dist/shared/words.js'
import { Random } from '#dist/workload/random.js'
import { nameFrame, policyArena, policyIn } from '#dist/bench/replay/policy-replay.js'
import { type AdaptiveCache as Cache, cacheWith, findVictim, sizes } from '../support/adaptive-cache.js'
import { onlyNormal } from '../support/size.js'
import { tempFolder } from '../support/temp.js'
import { inThreads } from '../support/threads.js'

const bodies = import.meta.resolve('./workers/policy.js')

/** Candidates of which each is CLEAN, DIRTY or HELD, and the number of looks. */
function mixed(fitOf: (frame: number) => Fit) {
  let looks = 0
  const candidates: Candidates = {
    look: (frame) => {
      looks++
      return fitOf(frame)
    },
    take: (frame) => {
      looks++
      return fitOf(frame)
    },
  }
  return { candidates, looks: () => looks }
}

test('a search that finds a victim looks at 64 frames at most', () => {
  for (const blocks of [1, 2, 20, 33, 1000]) {
    const { use, scan, policy } = cacheWith(blocks)
    scan(0, blocks)
    let seed = 3
    for (let i = 0; i < 3000; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      const isHeldPart = i % 3
      const { candidates, looks } = mixed((frame) =>
        (Math.imul(frame + i, 0x9e3779b1) >>> 16) % 4 < isHeldPart && blocks > 20 ? Fit.HELD : Fit.CLEAN,
      )
      use(((seed >>> 8) % (2 * blocks)) + (i % 5 === 0 ? 10_000 + i : 0), { candidates })
      assert.ok(looks() <= 64, `${looks()} looks`)
    }
    assert.equal(policy.check(), [])
  }
})

test('if all frames are held there is no victim, and all stay; dirty ones leave, and return to their part', () => {
  const cache = cacheWith()
  const { scan, policy, isInMain } = cache
  scan(0, 100)
  const before = sizes(cache)
  assert.is(findVictim(policy, mixed(() => Fit.HELD).candidates), -1)
  assert.equal(sizes(cache), before)
  assert.is(findVictim(policy, mixed(() => Fit.DIRTY).candidates), -1)
  assert.equal([policy.size(), policy.check()], [0, []])
  for (let frame = 0; frame < 100; frame++) policy.readmit(frame)
  assert.equal([sizes(cache), policy.check()], [before, []])
  assert.ok(isInMain(0) && !isInMain(99))
})

test('a lone clean frame of NEW is found although it was used lately, whatever the size of NEW', () => {
  for (let newSize = 15; newSize <= 70; newSize++) {
    const cache = cacheWith(100)
    const { policy, words, frameOf } = cache
    cache.use(0)
    words[Header.newTarget] = 256 * newSize
    cache.scan(1, 99)
    assert.is(sizes(cache)[0], newSize + 1)
    for (let block = 99 - newSize; block < 100; block++) {
      const only = frameOf(block)
      policy.note(only)
      const fit = (frame: number): Fit => (frame === only ? Fit.CLEAN : Fit.HELD)
      assert.is(findVictim(policy, { look: fit, take: fit }), only, `block ${block}, ${newSize} in NEW`)
      policy.readmit(only)
    }
  }
})

test('a frame that is pinned between the look and the latch stays, and another one is the victim', () => {
  const cache = cacheWith()
  cache.scan(0, 100)
  cache.scan(1000, 50)
  for (let i = 0; i < 200; i++) {
    const refused = new Set<number>()
    const take = (frame: number): Fit => {
      if (refused.size >= 2) return refused.has(frame) ? Fit.HELD : Fit.CLEAN
      refused.add(frame)
      return Fit.HELD
    }
    const look = (frame: number): Fit => (refused.has(frame) ? Fit.HELD : Fit.CLEAN)
    cache.use((i * 37) % 400, { candidates: { look, take } })
    for (const frame of refused) assert.ok(cache.policy.has(frame))
  }
  assert.equal([cache.policy.size(), cache.policy.check()], [100, []])
})

test('a block that returns tells nothing of MAIN if all that a search meets there are dirty', () => {
  const gains = [Fit.CLEAN, Fit.DIRTY].map((ofMain) => {
    const cache = cacheWith()
    for (let pass = 0; pass < 5; pass++) cache.scan(0, 150)
    const { arena, countOf } = cache
    const before = countOf(Header.mainGain)
    assert.ok(before > 0, 'a loop shows that MAIN should be larger')
    const isMain = (frame: number): boolean => cache.words[arena.frameAt(frame) + Frame.used] === -1
    const fit = (frame: number): Fit => (isMain(frame) ? ofMain : Fit.CLEAN)
    const missed = Array.from({ length: 150 }, (_, block) => block).filter((block) => !cache.has(block))
    const back = countOf(Header.newBack)
    // With the second all of MAIN are out.
    for (const block of missed.slice(0, 2)) cache.use(block, { candidates: { look: fit, take: fit } })
    assert.ok(countOf(Header.newBack) <= back, 'it does not tell that NEW should be larger either')
    return countOf(Header.mainGain) - before
  })
  // Counts also fall as time passes.
  assert.ok(gains[0]! > gains[1]! && gains[1]! <= 0, gains.join(' clean, dirty '))
})

test('after a death frames keep their part and their uses, and ghosts stay', () => {
  const cache = cacheWith()
  const { scan, policy, words, arena, isInMain, countOf } = cache
  scan(0, 100)
  scan(1000, 60)
  const before = sizes(cache)
  const ghosts = words.slice(arena.ghostsAt, arena.planAt)
  const target = countOf(Header.newTarget)
  for (const word of [Header.newSize, Header.mainSize, Header.newOldest]) words[word] = 77
  policy.reset()
  assert.is(policy.size(), 0)
  for (let frame = 0; frame < 100; frame++) policy.readmit(frame)
  assert.equal([sizes(cache), policy.check()], [before, []])
  assert.equal(words.slice(arena.ghostsAt, arena.planAt), ghosts)
  assert.is(countOf(Header.newTarget), target)
  assert.ok(isInMain(0))
})

test('the pool may grow: the share of NEW stays', () => {
  const arena = policyArena('adaptive', 1000)
  arena.words[Header.frames] = 100
  const policy = policyIn(arena, 'adaptive')
  const fill = (first: number, count: number) => {
    for (let frame = first; frame < first + count; frame++) {
      arena.words[Header.freeCount] = arena.frames - frame - 1
      policy.insert(frame, keyHighOf(0, frame), frame)
      nameFrame(arena, frame, 0, frame)
    }
  }
  fill(0, 100)
  assert.equal([arena.words[Header.newTarget], arena.words[Header.newSize]], [10 * 256, 11])
  arena.words[Header.frames] = 1000
  assert.equal(policy.check(), [])
  fill(100, 900)
  assert.equal([arena.words[Header.newTarget], arena.words[Header.newSize]], [100 * 256, 101])
  assert.equal(policy.check(), [])
})

test('a cache of the minimum size works', () => {
  for (const blocks of [1, 2, 3, 11]) {
    const { policy, use } = cacheWith(blocks)
    for (let i = 0; i < 5000; i++) use((Math.imul(i, 0x9e3779b1) >>> 16) % 7)
    assert.is(policy.size(), Math.min(blocks, 7))
    assert.equal(policy.check(), [])
  }
})

test('uses that other threads note concurrently break nothing', async () => {
  const { buffer } = policyArena('adaptive', 100)
  const [broken] = await inThreads<string[]>(bodies, 'noteAndEvict', {
    threads: 3,
    buffer,
    args: { turns: 300_000 },
  })
  assert.equal(broken, [])
})

test('the check names each broken invariant', () => {
  const set = (word: number, value: number) => ({ words }: Cache) => (words[word] = value) // prettier-ignore
  const field = (block: number, name: Frame, value: number) => ({ arena, words, frameOf }: Cache) =>
    (words[arena.frameAt(frameOf(block)) + name] = value) // prettier-ignore
  /** A frame that was removed, and has these links nevertheless. */
  const lost = (block: number, policySlot: number, used: number) => ({ arena, words, policy, frameOf }: Cache) => {
    const at = arena.frameAt(frameOf(block))
    policy.remove(frameOf(block))
    words[at + Frame.policySlot] = policySlot
    words[at + Frame.used] = used
  } // prettier-ignore
  const ghost = ({ words, arena }: Cache): number => {
    let at = arena.ghostsAt
    while (words[at + Ghost.hash] === 0) at += Ghost.WORDS
    return at
  }
  const damages: [string, (cache: Cache) => unknown][] = [
    ['P1', field(0, Frame.used, 5)],
    ['P1', field(0, Frame.policySlot, 5)],
    ['P1', field(1059, Frame.used, -1)],
    ['P1', field(1059, Frame.policySlot, 0)],
    ['P1', field(1059, Frame.used, 0)],
    ['P1', ({ arena, words }) => (words[arena.policyAt + 1] = words[arena.policyAt]!)],
    ['P1', ({ arena, words }) => (words[arena.policyAt] = 1_000_000)],
    ['P1', ({ arena, words }) => (words[arena.policyAt] = -1)],
    ['P1', lost(0, 5, -1)],
    ['P1', lost(0, 0, 7)],
    ['P1', (cache) => {
      const { arena, words, policy, frameOf } = cache
      const [frame, other] = [frameOf(1058), frameOf(1059)]
      for (const each of [frame, other]) policy.remove(each)
      for (const [each, link] of [[frame, other], [other, frame]] as const) {
        words[arena.frameAt(each) + Frame.policySlot] = link + 1
        words[arena.frameAt(each) + Frame.used] = link + 1
      }
    }],
    ['P2', ({ words }) => words[Header.newSize]!++],
    ['P2', set(Header.newSize, -1)],
    ['P2', set(Header.newSize, 101)],
    ['P2', set(Header.newOldest, 0)],
    ['P1', ({ words }) => words[Header.mainSize]!++],
    ['P2', set(Header.mainSize, 101)],
    ['P2', set(Header.mainSize, -1)],
    ['P2', set(Header.mainHand, -1)],
    ['P2', set(Header.mainHand, 101)],
    ['P2', set(Header.mainSweep, -1)],
    ['P2', set(Header.mainSweep, 101)],
    ['P4', (cache) => (cache.words[ghost(cache) + Ghost.hash]! ^= 1 << 31)],
    ['P5', (cache) => {
      const at = ghost(cache)
      const other = at + (((at - cache.arena.ghostsAt) / Ghost.WORDS) % 8 < 7 ? 1 : -1) * Ghost.WORDS
      cache.words[other + Ghost.hash] = cache.words[at + Ghost.hash]!
    }],
    ['P7', set(Header.newTarget, 3)],
    ['P7', set(Header.newTarget, 256 * 88)],
    ['P7', set(Header.halfLife, 0)],
    ['P7', set(Header.halfLife, 3)],
    ['P7', set(Header.halfLife, 500)],
    ['P7', set(Header.newOut, -1)],
    ['P7', set(Header.newBack, -1)],
    ['P7', set(Header.mainOut, -1)],
    ['P7', set(Header.mainBack, -1)],
    ['P7', set(Header.newIdle, -1)],
    ['P7', set(Header.mainGain, -1)],
    ['P7', set(Header.ghostSweep, -1)],
    ['P7', set(Header.ghostSweep, 200)],
    ['P7', set(Header.tick, 65_536)],
    ['P7', set(Header.tick, -1)],
    ['P7', set(Header.tickPart, -1)],
    ['P7', set(Header.tickPart, 100)],
  ] // prettier-ignore
  for (const [name, damage] of damages) {
    const cache = cacheWith()
    cache.scan(0, 100)
    cache.scan(1000, 60)
    assert.equal([cache.policy.check(), runSteps(cache.policy.look())], [[], true])
    damage(cache)
    const broken = cache.policy.check()
    assert.ok(
      broken.some((text) => text.startsWith(name)),
      `${name}: ${broken.join('; ')} after ${String(damage)}`,
    )
    assert.is(runSteps(cache.policy.look()), false, `a look after ${String(damage)}`)
  }
})

onlyNormal(test, 'a cache with this policy is correct, and keeps its hits during a scan', async () => {
  using folder = tempFolder()
  const partitions = { a: { path: folder.write('a', ''), blockSize: 512, size: 512 * 4000 } }
  const cache = await openCache({ memory: 512 * 128, policy: 'adaptive', partitions, flushDelayMs: 50 })
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

test('frames that change at each look of a search, and are used, leave the parts in order', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed, 0)
    const size = 20 + random.below(30)
    const { policy, arena, words, scan, use } = cacheWith(size)
    scan(0, size)
    for (let i = 0; i < 300; i++) use(random.below(2 * size))
    const { candidates } = mixed(() => {
      policy.note(random.below(size))
      const chance = random.unit()
      if (chance < 0.35) return Fit.CLEAN
      return chance < 0.7 ? Fit.HELD : Fit.DIRTY
    })
    for (let step = 0; step < 200; step++) {
      words[Header.tick] = (words[Header.tick]! + random.below(6)) & 0xffff
      const block = random.below(3 * size)
      const victim = policy.victim(candidates, keyHighOf(0, block), block)
      if (victim >= 0) {
        policy.evicted(victim)
        policy.insert(victim, keyHighOf(0, block), block)
        nameFrame(arena, victim, 0, block)
      }
      assert.equal(policy.check(), [], `seed ${seed}, step ${step}`)
      for (let frame = 0; frame < size; frame++)
        if (!policy.has(frame) && random.unit() < 0.3) policy.readmit(frame)
    }
  }
})

test.run()
