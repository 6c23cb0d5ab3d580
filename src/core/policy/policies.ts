/**
 * The replacement policies by name.
 */
import type { Arena } from '../../shared/arena.js'
import type { PolicyName } from '../../shared/options.js'
import type { ThreadSlot } from '../../shared/slot.js'
import { adaptive } from './adaptive.js'
import { Lru2 } from './lru2.js'
import type { Policy } from './policy.js'

export function policyOf(name: PolicyName, arena: Arena, slot: ThreadSlot): Policy {
  switch (name) {
    case 'lru2':
      return new Lru2(arena, slot)
    case 'adaptive':
      return adaptive(arena)
  }
}
