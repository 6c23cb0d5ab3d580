/**
 * The replacement policies by name.
 */
import type { Arena } from '../../shared/arena.js'
import type { ThreadSlot } from '../../shared/slot.js'
import { adaptive } from './adaptive.js'
import { Lru2 } from './lru2.js'
import type { Policy } from './policy.js'
import { twoQueues } from './twoq.js'

export function policyOf(name: 'lru2' | '2q' | 'adaptive', arena: Arena, slot: ThreadSlot): Policy {
  switch (name) {
    case 'lru2':
      return new Lru2(arena, slot)
    case '2q':
      return twoQueues(arena)
    case 'adaptive':
      return adaptive(arena)
  }
}
