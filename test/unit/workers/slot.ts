// The threads of slot.test.ts: they attach and detach as fast as they can.

import { attachSlot, detachSlot } from '#dist/shared/slot.js'
import { openSmall } from '../../support/small-context.js'
import type { Thread } from '../../support/threads.js'
import { Slot } from '#dist/shared/words.js'

/** Returns the slot that the thread keeps at the end. @throws if another thread had the same slot at the same time */
export function attach({ buffer, index, args }: Thread<{ times: number }>): number {
  const arena = openSmall(buffer)
  for (let i = 1; i <= args.times; i++) {
    const slot = attachSlot(arena, 2, 8, index)
    for (let look = 0; look < 20; look++) {
      if (arena.words[slot.at + Slot.threadId] !== index) throw new Error('another thread has this slot')
    }
    if (i === args.times) return slot.index
    detachSlot(arena, slot)
  }
  throw new Error('no times')
}
