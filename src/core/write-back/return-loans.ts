/**
 * The flush worker returns to the pool what groups have borrowed for images (changes/loans.ts). After a round, what is free beyond
 * the group's own spares: half of it while blocks are dirty, since the next round's changes may need as much, else all of it. And
 * all that is free whenever a thread finds no frame for a block.
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
  const surplus = surplusOf(context, group)
  const isDirty = load(context.words, context.arena.groupAt(group) + Group.dirty) > 0
  putSomeBack(context, group, isDirty ? Math.ceil(surplus / 2) : surplus)
}

/** Returns what a thread has asked for. @requires the flush worker's thread @takes policy mutex, and under it the round mutex */
export function returnAsked(context: Context, group: number): void {
  const { words, arena } = context
  const at = arena.groupAt(group)
  if (load(words, at + Group.askedBack) === 0) return
  // Before the look at the list: who asks after it rings again.
  store(words, at + Group.askedBack, 0)
  putSomeBack(context, group, words[at + Group.lent]!)
}

function putSomeBack(context: Context, group: number, wanted: number): void {
  for (let left = wanted; left > 0;) {
    const most = Math.min(left, BACK_MAX)
    seizePolicy(context)
    seizeRound(context, group)
    const count = putBack(context, group, most)
    unlockRound(context, group)
    context.policyMutex.unlock()
    left = count < most ? 0 : left - count
  }
}
