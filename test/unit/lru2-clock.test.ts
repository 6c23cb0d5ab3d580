// The clock of lru2 has 32 bits: wherever it stands, and whenever it wraps, the hits are those of a clock that begins at 0.
// In the ancestor the middle of two times overflowed, and from tick 2^31 on each new block was the next victim.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Lru2 } from '#dist/core/policy/lru2.js'
import { Fit } from '#dist/core/policy/policy.js'
import { attachSlot } from '#dist/shared/slot.js'
import type { Arena } from '#dist/shared/arena.js'
import { accessPattern } from '../support/ancestor-lru2.js'
import { withCache } from '../support/open.js'
import { smallArena } from '../support/small-context.js'
import { Frame, Header } from '#dist/shared/words.js'

const PATTERN = accessPattern(6000, 300, 7)

/** Sets the clock; all frames look as if they had been used last at that tick. */
function setClock(arena: Arena, tick: number): void {
  const { words, geometry } = arena
  words[Header.policyClock] = tick | 0
  for (let frame = 0; frame < geometry.blocks; frame++) {
    words[arena.frameAt(frame) + Frame.used] = tick | 0
    words[arena.frameAt(frame) + Frame.used2] = tick | 0
  }
}

/** Which accesses hit, as one string. */
async function hitsFrom(tick: number): Promise<string> {
  let hits = ''
  await withCache({ cached: 80, partitions: { data: { blocks: 300 } } }, async ({ data, arena, cache }) => {
    setClock(arena, tick)
    for (const block of PATTERN) {
      const guard = data.tryAcquire(block, 'read')
      hits += guard ? 'h' : '-'
      ;(guard ?? (await data.acquire(block, 'read'))).release()
    }
    assert.equal(cache.check(), [])
  })
  return hits
}

const expected = await hitsFrom(0)

for (const [name, tick] of [
  ['2^31 - 3000', 2 ** 31 - 3000],
  ['2^31', 2 ** 31],
  ['2^32 - 3000', 2 ** 32 - 3000],
  ['3 * 2^30', 3 * 2 ** 30],
] as const) {
  test(`the hits from tick ${name} on are those from 0 on`, async () => {
    assert.is(await hitsFrom(tick), expected)
  })
}

test('the pattern has both hits and misses', () => {
  const hits = expected.replaceAll('-', '').length
  assert.ok(hits > 2000 && hits < 5500, `${hits} hits`)
})

const FRAMES = 20
/** How many ticks the clock jumps: the age of a frame that is not used in the meantime. */
const JUMP = 2 ** 28

test('the heap is sound and recently used frames stay, through three wraps', () => {
  const arena = smallArena({ policy: 'lru2' })
  const policy = new Lru2(arena, attachSlot(arena, 0, 2, 1))
  for (let frame = 0; frame < FRAMES; frame++) policy.insert(frame, 1, frame)
  const use = (frame: number) => {
    policy.note(frame)
    policy.note(frame)
    policy.drain()
  }
  for (let jumps = 1; jumps < 3 * (2 ** 32 / JUMP); jumps++) {
    // Just before each boundary, so that the uses pass it.
    arena.words[Header.policyClock] = (jumps * JUMP - 4) | 0
    for (let frame = FRAMES / 2; frame < FRAMES; frame++) use(frame)
    assert.equal(policy.check(), [], `after ${jumps} jumps`)
    const victim = policy.victim({ look: () => Fit.CLEAN, take: () => Fit.CLEAN })
    assert.ok(victim < FRAMES / 2, `victim ${victim} after ${jumps} jumps was used just now`)
    policy.readmit(victim)
    assert.equal(policy.check(), [])
  }
})

test.run()
