// Policy `adaptive` step by step: what enters MAIN, the share of NEW, forgetting, and the clock. What is asked of its state is in
// policy-adaptive-state.test.ts, its hits on traces are in policy-traces.test.ts.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { keyLowOf, keyHighOf } from '#dist/shared/key.js'
import { Fit } from '#dist/core/policy/policy.js'
import { Header } from '#dist/shared/words.js'
import { Random } from '#dist/workload/random.js'
import { type AdaptiveCache, cacheWith, sizes } from '../support/adaptive-cache.js'

test('while there are free frames all blocks are kept, and NEW has a tenth of the frames', () => {
  const cache = cacheWith()
  cache.scan(0, 100)
  assert.equal(sizes(cache), [11, 89])
  assert.is(cache.scan(0, 100), 1)
  assert.equal(cache.policy.check(), [])
})

test('blocks that nothing asks for again pass through NEW', () => {
  const cache = cacheWith()
  cache.scan(0, 100)
  for (let pass = 0; pass < 3; pass++) assert.is(cache.scan(0, 80), 1)
  cache.scan(1000, 1000)
  assert.is(cache.scan(0, 80), 1)
  assert.equal(sizes(cache), [11, 89])
  assert.equal(cache.policy.check(), [])
})

test('a block that returns enters MAIN if it was worth more than the worst of it', () => {
  const cache = cacheWith()
  cache.scan(0, 100) // 0 to 89 are in MAIN, and were used once
  for (let i = 0; i < 4; i++) {
    cache.use(95) // in NEW; used in several ticks
    cache.scan(1000 + 2 * i, 2)
  }
  cache.scan(2000, 40)
  assert.ok(cache.has(95) && cache.isInMain(95), 'from NEW, with its uses in several ticks')
  cache.scan(0, 90) // those of MAIN that are left, and one is back
  assert.is(cache.use(1000), false)
  assert.not.ok(cache.isInMain(1000), 'it was used once, before all of MAIN were')
  assert.equal(cache.policy.check(), [])
})

test('loops larger than the cache have hits, and one that fits has all', () => {
  for (const [blocks, loop, least] of [
    [100, 110, 0.7],
    [100, 150, 0.5],
    [1000, 1100, 0.75],
    [1000, 3000, 0.27],
    [500, 500, 1],
  ] as const) {
    // prettier-ignore
    const { scan, policy } = cacheWith(blocks)
    for (let pass = 0; pass < 20; pass++) scan(0, loop)
    const share = scan(0, loop)
    assert.ok(share >= least, `${blocks} blocks, a loop of ${loop}: ${share}`)
    assert.equal(policy.check(), [])
  }
})

test('a new working set is learned within two passes, even if the old one was used often', () => {
  for (const blocks of [35, 200, 1000])
    for (const kind of ['in order', 'in order, filled ahead', 'shuffled']) {
      const { scan, use, useAhead } = cacheWith(blocks)
      const count = Math.floor(0.8 * blocks)
      for (let pass = 0; pass < 30; pass++) scan(0, count)
      const set = Array.from({ length: count }, (_, i) => 5000 + i)
      const random = new Random(9, 0)
      const passes = Array.from({ length: 4 }, () => {
        if (kind === 'shuffled') shuffle(set, random)
        const access = kind === 'in order, filled ahead' ? useAhead : use
        return set.filter((block) => access(block)).length / count
      })
      const what = `${blocks} blocks, ${kind}: ${passes.join(' ')}`
      assert.ok(passes[2]! > (kind === 'shuffled' ? 0.95 : 0.99), what)
      assert.is(passes[3], 1, what)
    }
})

function shuffle(items: number[], random: Random): void {
  for (let left = items.length; left > 1; left--) {
    const other = random.below(left)
    ;[items[left - 1], items[other]] = [items[other]!, items[left - 1]!]
  }
}

test('uses in quick succession count as one', () => {
  const [once, often] = [cacheWith(), cacheWith()]
  for (const { scan } of [once, often]) scan(0, 100)
  for (let i = 0; i < 2000; i++) {
    const block = (Math.imul(i, 0x9e3779b1) >>> 8) % 300
    const isHit = once.use(block)
    assert.is(often.use(block), isHit)
    for (let again = 0; again < 15; again++) often.use(block)
  }
  assert.equal([...often.frames.keys()], [...once.frames.keys()])
})

test('wherever the clock stands, and when it wraps, the hits are the same', () => {
  const hitsFrom = (tick: number): string => {
    const { use } = cacheWith(50, tick)
    let hits = ''
    for (let i = 0; i < 20_000; i++) {
      const block = i % 3 === 0 ? (i / 3) % 70 : (Math.imul(i, 0x9e3779b1) >>> 8) % 200
      hits += use(block) ? '1' : '0'
    }
    return hits
  }
  const known = hitsFrom(0)
  for (const tick of [2, 1000, 32_766, 65_000, 65_534]) assert.is(hitsFrom(tick), known, `from tick ${tick}`)
})

test('a block that is never used again does not look young when the clock has wrapped', () => {
  const { scan, policy, frameOf, isInMain } = cacheWith(16)
  scan(0, 16)
  scan(0, 10) // MAIN has the first fourteen
  assert.ok(isInMain(0))
  const frame = frameOf(0)
  for (let block = 100; block < 40_000; block += 100) {
    scan(block, 100) // 400 ticks
    if (block > 200) assert.not.ok(policy.isHot(frame), `after ${block} blocks`)
  }
  assert.ok(isInMain(0))
  assert.equal(policy.check(), [])
})

test('a block that was evicted long ago does not look good when the clock has wrapped', () => {
  for (const pools of [200, 400, 800, 900, 1000, 1023, 1024, 1100]) {
    const cache = cacheWith(16)
    cache.scan(0, 48)
    // A loop that does not fit, of so few blocks that ghosts are not replaced.
    let misses = 0
    for (let i = 0; misses < pools * 16; i++) if (!cache.use(1000 + (i % 20))) misses++
    for (let block = 0; block < 48; block++) {
      cache.use(block)
      assert.not.ok(cache.isInMain(block), `block ${block} after ${pools} pools of insertions`)
    }
    assert.equal(cache.policy.check(), [])
  }
})

test('a block of NEW that was held for long does not look good when the clock has wrapped', () => {
  for (const pools of [100, 190, 300, 440, 1000]) {
    const cache = cacheWith(100)
    cache.scan(0, 100)
    cache.use(5000)
    const held = cache.frameOf(5000)
    const fit = (frame: number): Fit => (frame === held ? Fit.HELD : Fit.CLEAN)
    for (let i = 0; i < pools * 100; i++) cache.use(10_000 + i, { candidates: { look: fit, take: fit } })
    assert.ok(cache.has(5000))
    cache.scan(2_000_000, 150)
    assert.not.ok(cache.has(5000), `after ${pools} pools of insertions`)
  }
})

test('a block that was filled ahead and not used leaves no ghost', () => {
  const { use, scan, policy, frameOf, countOf } = cacheWith()
  scan(0, 100)
  use(500, { isAhead: true })
  const frame = frameOf(500)
  const before = countOf(Header.newOut)
  policy.remove(frame)
  assert.is(policy.evicted(frame), true)
  assert.is(countOf(Header.newOut), before)
  policy.readmit(frame)
  use(500)
  policy.remove(frame)
  assert.is(policy.evicted(frame), false)
  assert.ok(countOf(Header.newOut) > before)
})

test('a block that is expected enters MAIN, and does not count as one that came back', () => {
  const { use, scan, policy, isInMain, countOf } = cacheWith()
  scan(0, 100)
  scan(1000, 100)
  policy.expect(keyHighOf(0, 7777), keyLowOf(7777))
  const before = [countOf(Header.newBack), countOf(Header.mainBack)]
  use(7777)
  assert.ok(isInMain(7777))
  assert.equal([countOf(Header.newBack), countOf(Header.mainBack)], before)
  assert.equal(policy.check(), [])
})

test('NEW grows when its blocks come back soon', () => {
  const { use, scan, countOf } = cacheWith(1000)
  scan(0, 1000)
  const target = () => countOf(Header.newTarget) / 256
  assert.is(target(), 100)
  // A window that moves: each block is used again after 150 others: NEW has frames for 100.
  for (let i = 0; i < 20_000; i++) {
    use(10_000 + i)
    if (i >= 150) use(10_000 + i - 150)
  }
  assert.ok(target() > 140, `${target()} after a window that moves`)
})

/** A time in which recency rules: each block is used again after 150 others, and once more after 700; none later. */
function ruleByRecency(cache: AdaptiveCache, accesses: number): void {
  for (let i = 0; i < accesses; i++)
    for (const back of [0, 150, 700]) if (i >= back) cache.use(10_000 + i - back)
}

test('after a time in which recency ruled, NEW gives its frames back, and hits are as if it had never been', () => {
  const random = new Random(1, 0)
  const scan = (i: number): number => 5_000_000 + i
  // prettier-ignore
  const loads: Record<string, (i: number) => number> = {
    'a set that fits, in random order, and a scan': (i) => (i % 2 === 0 ? scan(i) : 2_000_000 + random.below(800)),
    'a set that fits, in order, and a scan': (i) => (i % 2 === 0 ? scan(i) : 2_000_000 + (((i - 1) / 2) % 700)),
    'a loop that does not fit': (i) => 1_000_000 + (i % 1500),
    'a loop that does not fit, filled ahead': (i) => 1_000_000 + (i % 1500),
  }
  for (const [name, blockOf] of Object.entries(loads)) {
    const [fresh, after] = [0, 100_000].map((accesses) => {
      const cache = cacheWith(1000)
      cache.scan(0, 1000)
      ruleByRecency(cache, accesses)
      if (accesses > 0) assert.ok(sizes(cache)[0]! > 400, `${name}: ${sizes(cache).join(' ')}`)
      const access = name.endsWith('ahead') ? cache.useAhead : cache.use
      let last = 0
      for (let i = 0; i < 150_000; i++) if (access(blockOf(i)) && i >= 120_000) last++
      assert.equal(cache.policy.check(), [])
      return last / 30_000
    })
    assert.ok(after! > fresh! - 0.02, `${name}: ${fresh} without, ${after} after`)
  }
})

test('while recency rules, NEW stays large, although MAIN is busy', () => {
  const cache = cacheWith(1000)
  cache.scan(0, 1000)
  ruleByRecency(cache, 50_000)
  const target = cache.countOf(Header.newTarget)
  // The next block, or one of the last 900: the older ones are never used again.
  const random = new Random(2, 0)
  let last = 0
  for (let i = 0, next = 200_000; i < 200_000; i++) {
    const isNew = random.below(5) === 0
    if (cache.use(isNew ? next++ : next - 1 - random.below(900)) && i >= 100_000) last++
  }
  assert.ok(cache.countOf(Header.newTarget) >= target, `${target}, then ${cache.countOf(Header.newTarget)}`)
  assert.ok(last > 67_000, `${last} of 100000 are hits; with LRU 71000`)
})

test('NEW gets a tenth of the frames that are free, whatever its target has become', () => {
  const { words, scan, countOf } = cacheWith(1000)
  words[Header.measured] = 1000
  words[Header.newTarget] = 16 * 256
  scan(0, 1000)
  // The last block takes the last free frame, and nothing has to move for it.
  assert.equal([countOf(Header.newSize), countOf(Header.mainSize)], [101, 899])
  scan(2000, 3000)
  assert.is(countOf(Header.newSize), 101)
})

test.run()
