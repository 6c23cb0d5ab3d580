/**
 * The flush worker returns to the pool what groups have borrowed for images (changes/loans.ts). After a round half of what is free
 * beyond the group's own spares, while blocks are dirty, since the next changes may need as much. All that is free when no block
 * is dirty, and whenever a thread finds no frame for a block.
 */
import { load, store } from '#atomics'
import type { Context } from '../context.js'
import { putBack } from '../blocks/borrow.js'
import { surplusOf } from '../changes/loans.js'
import { unlockRound } from '../changes/rounds.js'
import { seizePolicy, seizeRound } from '../recovery/seize.js'
import { Group } from '../../shared/words.js'

/** How many frames return in one critical section, for which misses and changes wait. */
const BACK_MAX = 256

/** Returns what a round has freed. @requires the flush worker's thread @takes policy mutex, and under it the round mutex */
export function returnSurplus(context: Context, group: number): void {
  const { words, arena } = context
  const at = arena.groupAt(group)
  const isDirty = load(words, at + Group.dirty) > 0
  putSomeBack(context, group, isDirty ? Math.ceil(surplusOf(context, group) / 2) : words[at + Group.lent]!)
}

/** Returns what a thread has asked for. @requires the flush worker's thread @takes policy mutex, and under it the round mutex */
export function returnAsked(context: Context, group: number): void {
  const { words, arena } = context
  const at = arena.groupAt(group)
  if (load(words, at + Group.askedBack) === 0) return
  // Before the look at the list, so that a request after it is seen in the next step.
  store(words, at + Group.askedBack, 0)
  putSomeBack(context, group, words[at + Group.lent]!)
}

function putSomeBack(context: Context, group: number, wanted: number): void {
  for (let left = wanted; left > 0;) {
    const most = Math.min(left, BACK_MAX)
    seizePolicy(context)
    let count: number
    try {
      seizeRound(context, group)
      count = putBack(context, group, most)
      unlockRound(context, group)
    } finally {
      context.policyMutex.unlock()
    }
    left = count < most ? 0 : left - count
  }
}
