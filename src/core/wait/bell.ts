/**
 * The flush worker's doorbell, and the two words that say what it is rung for.
 */
import { add, notify, type Words } from '#atomics'
import type { Core } from '../context.js'
import { DelayedKick, Group, Header } from '../../shared/words.js'

/** Wakes the flush worker. */
export function ringBell({ words }: { readonly words: Words }): void {
  add(words, Header.bell, 1)
  notify(words, Header.bell)
}

/** Wants everything up to `epoch` durable. @requires round mutex */
export function want(core: Core, group: number, epoch: number): void {
  if (core.turns[group]!.ask(epoch)) core.bellDue = true
}

/** The first dirty block of a quiet group starts the clock. @requires round mutex */
export function armDelayedKick(core: Core, group: number): void {
  const at = core.arena.groupAt(group) + Group.delayed
  if (core.words[at] !== DelayedKick.NONE) return
  core.words[at] = DelayedKick.ASKED
  core.bellDue = true
}
