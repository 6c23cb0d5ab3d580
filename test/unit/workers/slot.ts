// What the threads of slot.test.ts do: attach and detach as fast as they can.

import { attachSlot, detachSlot } from '#dist/shared/slot.js'
import { openSmall } from '../../support/small-core.js'
import type { Thread } from '../../support/threads.js'
import { Slot } from '#dist/shared/words.js'

export interface Attached {
  readonly slot: number
  readonly incarnation: number
}

/** The slots it had; the last one it keeps. */
export function attach({ buffer, index, args }: Thread<{ times: number }>): Attached[] {
  const arena = openSmall(buffer)
  const had: Attached[] = []
  for (let i = 1; i <= args.times; i++) {
    const slot = attachSlot(arena, 2, 8, index)
    for (let look = 0; look < 20; look++) {
      if (arena.words[slot.at + Slot.threadId] !== index) throw new Error('somebody else has this slot')
    }
    had.push({ slot: slot.index, incarnation: arena.words[slot.at + Slot.incarnation]! })
    if (i < args.times) detachSlot(arena, slot)
  }
  return had
}
