// The threads of rounds.test.ts: they leave releases and kicks to the holder of the round mutex.

import { push } from '#dist/core/changes/pending.js'
import { kick, tryLockRound, unlockRound } from '#dist/core/changes/rounds.js'
import { tryLatch } from '#dist/shared/latch.js'
import { openSmall, smallContext } from '../../support/small-context.js'
import type { Thread } from '../../support/threads.js'
import { Frame, Released } from '#dist/shared/words.js'

/** The first thread kicks, the others release frames; none of them ever waits for the mutex. */
export function releasers({ buffer, index, args }: Thread<{ each: number; frames: number }>): void {
  const context = smallContext(openSmall(buffer), 'lru2', false)
  const { words, arena } = context
  let random = index + 1
  for (let i = 0; i < args.each; i++) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0
    if (index === 0) {
      kick(context, 0)
      continue
    }
    const frame = (random >>> 16) % args.frames
    // The thread that settles a release unlatches the frame: until then it cannot be latched again.
    if (!tryLatch(words, arena.frameAt(frame) + Frame.latch, context.slot.index)) continue
    words[arena.frameAt(frame) + Frame.since]!++
    push(context, 0, frame, Released.UNCHANGED)
    if (tryLockRound(context, 0)) unlockRound(context, 0)
  }
}
