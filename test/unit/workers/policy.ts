// The threads of policy-adaptive-state.test.ts: they note uses of all frames while the first one keeps evicting.

import { load } from '#atomics'
import { keyHighOf } from '#dist/shared/key.js'
import { adaptive } from '#dist/core/policy/adaptive.js'
import { Arena } from '#dist/shared/arena.js'
import { ALL_CLEAN, nameFrame } from '#dist/bench/replay/policy-replay.js'
import type { Thread } from '../../support/threads.js'
import { Frame } from '#dist/shared/words.js'

/** A flag in the word of a block's uses that only read-ahead sets. */
const UNASKED = 1

/** What the policy's check finds at the end. */
export function noteAndEvict({ buffer, index, args }: Thread<{ turns: number }>): string[] {
  const arena = Arena.open({ buffer }, 1, 2)
  const policy = adaptive(arena)
  const { blocks } = arena.geometry
  // The plan region is unused in this test.
  const endAt = arena.planAt
  if (index > 0) {
    for (let i = index; load(arena.words, endAt) === 0; i++) policy.note(i % blocks)
    return []
  }
  const broken: string[] = []
  for (let i = 0; i < args.turns; i++) {
    let frame = i
    const block = (i * 7) % (3 * blocks)
    if (i >= blocks) {
      frame = policy.victim(ALL_CLEAN, keyHighOf(0, block), block)
      policy.evicted(frame)
    }
    policy.insert(frame, keyHighOf(0, block), block)
    nameFrame(arena, frame, 0, block)
  }
  Atomics.store(arena.words, endAt, 1)
  broken.push(...policy.check())
  for (let frame = 0; frame < blocks; frame++) {
    const word = arena.words[arena.frameAt(frame) + Frame.used2]!
    if ((word & UNASKED) !== 0) broken.push(`frame ${frame} has the uses 0x${word.toString(16)}`)
  }
  return broken
}
