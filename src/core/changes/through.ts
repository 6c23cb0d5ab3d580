/**
 * How far the first classes are durable: for each class a number of its own, because a round makes the classes durable one after
 * the other, and a partial round (write-back/partial.ts) only the first of them.
 *
 *   throughDone[class]   everything up to this epoch, of this class and those before it, is durable; at or after `done`
 *   throughWant[class]   a thread asks the flush worker for that
 */
import type { Context } from '../context.js'
import { isAfter } from '../../shared/stamp.js'
import { Group } from '../../shared/words.js'

/** Records that the classes up to `through` are durable up to `number`. The caller broadcasts. @requires round mutex */
export function finishThrough(context: Context, group: number, through: number, number: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena, throughs } = context
  const doneAt = arena.groupAt(group) + Group.throughDone
  // A partial round may have gone further than the full one that is under way.
  for (let place = 0; place < through; place++)
    if (isAfter(number, words[doneAt + place]!)) throughs[group]![place]!.finish(number)
}

/** Records that everything up to `number` is durable. The caller broadcasts. @requires round mutex */
export function finishAll(context: Context, group: number, number: number): void {
  const { words, arena, rounds, throughs } = context
  rounds[group]!.finish(number)
  finishThrough(context, group, throughs[group]!.length, number)
  // It must not fall so far behind that numbers wrap.
  const flippedAt = arena.groupAt(group) + Group.flipped
  if (!isAfter(words[flippedAt]!, number)) words[flippedAt] = number
}

/** Tells threads that wait for some classes, up to this epoch, of a failure. The caller broadcasts. @requires round mutex */
export function failThroughs(context: Context, group: number, spokeFor: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  for (const round of context.throughs[group]!) round.fail(spokeFor)
}

/** The last class up to which a thread asks the flush worker for a partial round; 0 for none. */
export function wantedThrough({ throughs }: Context, group: number): number {
  return throughs[group]!.findLastIndex((round) => round.isWanted) + 1
}
