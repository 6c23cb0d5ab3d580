/**
 * The flush worker's doorbell, and the words that say what it is rung for.
 */
import { add, notify, store, type Words } from '#atomics'
import type { Context } from '../context.js'
import { DelayedKick, Group, Header } from '../../shared/words.js'

/** Wakes the flush worker. */
export function ringBell({ words }: { readonly words: Words }): void {
  add(words, Header.bell, 1)
  notify(words, Header.bell)
}

/** Requests that everything up to `epoch` is made durable. @requires round mutex */
export function want(context: Context, group: number, epoch: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  if (context.rounds[group]!.ask(epoch)) context.bellDue = true
}

/**
 * Requests that everything up to `epoch` is made durable, so that blocks become clean; in a group with a journal that they are also
 * written in place. @requires round mutex
 */
export function wantClean(context: Context, group: number, epoch: number): void {
  want(context, group, epoch)
  const at = context.arena.groupAt(group)
  if (context.words[at + Group.recordMax] === 0 || context.words[at + Group.places] === 1) return
  store(context.words, at + Group.places, 1)
  context.bellDue = true
}

/** Requests the delayed kick of a group, unless it is requested already. @requires round mutex */
export function armDelayedKick(context: Context, group: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const at = context.arena.groupAt(group) + Group.delayed
  if (context.words[at] !== DelayedKick.NONE) return
  context.words[at] = DelayedKick.ASKED
  context.bellDue = true
}
