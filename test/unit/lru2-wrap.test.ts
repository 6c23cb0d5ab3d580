// The clock of lru2 has 32 bits: whatever it has passed, the heap is sound, and what was used last stays.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Lru2 } from '#dist/core/policy/lru2.js'
import { attachSlot } from '#dist/shared/slot.js'
import { Header } from '#dist/shared/words.js'
import { smallArena } from '../support/small-context.js'

const FRAMES = 20
/** So many ticks a jump: a frame that is not used gets as old as that. */
const JUMP = 2 ** 28

test('frames of which some are never used again, through three wraps', () => {
  const arena = smallArena({ policy: 'lru2' })
  const policy = new Lru2(arena, attachSlot(arena, 0, 2, 1))
  for (let frame = 0; frame < FRAMES; frame++) policy.insert(frame, 1, frame)
  const use = (frame: number) => {
    policy.note(frame)
    policy.note(frame)
    policy.drain()
  }
  for (let jumps = 1; jumps < 3 * (2 ** 32 / JUMP); jumps++) {
    // Just before each bound, so that the uses pass it.
    arena.words[Header.policyClock] = (jumps * JUMP - 4) | 0
    for (let frame = FRAMES / 2; frame < FRAMES; frame++) use(frame)
    assert.equal(policy.check(), [], `after ${jumps} jumps`)
    const victim = policy.victim()
    assert.ok(victim < FRAMES / 2, `victim ${victim} after ${jumps} jumps was used just now`)
    policy.readmit(victim)
    assert.equal(policy.check(), [])
  }
})

test.run()
