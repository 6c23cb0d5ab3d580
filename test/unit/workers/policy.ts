// The threads of policy-2q.test.ts: they note uses of all frames while the first one keeps evicting.

import { load } from '#atomics'
import { keyHighOf } from '#dist/shared/key.js'
import { twoQueues } from '#dist/core/policy/twoq.js'
import { Arena } from '#dist/shared/arena.js'
import { nameFrame } from '#dist/bench/replay/policy-replay.js'
import type { Thread } from '../../support/threads.js'
import { Frame, Header } from '#dist/shared/words.js'

/** What the policy's check finds at the end. */
export function noteAndEvict({ buffer, index, args }: Thread<{ turns: number }>): string[] {
  const arena = Arena.open({ buffer }, 1, 2)
  const policy = twoQueues(arena)
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
    if (i >= blocks) {
      frame = policy.victim()
      policy.evicted(frame)
    }
    const block = (i * 7) % (3 * blocks)
    policy.insert(frame, keyHighOf(0, block), block)
    nameFrame(arena, frame, 0, block)
  }
  Atomics.store(arena.words, endAt, 1)
  broken.push(...policy.check())
  for (let frame = 0; frame < blocks; frame++) {
    // The period, a bit that only read-ahead sets, and the uses.
    const word = arena.words[arena.frameAt(frame) + Frame.used2]!
    if ((word & 4) !== 0 || word >> 3 > arena.words[Header.policyClock]!)
      broken.push(`frame ${frame} has the uses 0x${word.toString(16)}`)
  }
  return broken
}
