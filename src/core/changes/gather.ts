/**
 * Gathering: threads that flush a group with a journal wait for each other a moment, so that one record, and one sync, is for all of
 * them. Without that, a thread that comes back right after a round leads the next one alone, and the others wait for the one
 * after it: two rounds where one would do. Databases know it as group commit with a delay (PostgreSQL's `commit_delay`).
 *
 *   together   how many flushes were under way when the last record round ended: those that it served, and those that had come since
 *   waiting    how many have come since the last cut
 *
 *   waiting < together    a thread that could lead waits, at most half as long as the last record took to write and sync; the one that
 *                         makes `waiting` reach `together` leads at once, without a wakeup
 *   time is over          the thread leads. As many did not come, the next 1, 3, 7, ... 63 rounds begin without waiting
 *
 * All of it is a guess about the future: a wrong value, for instance after a death, costs one such wait. Alone, a thread never waits.
 */
import { load } from '#atomics'
import type { Round, Ticket } from '../../shared/round.js'
import type { Slow } from '../../shared/wait.js'
import type { Context } from '../context.js'
import { spanEnd, spanStart } from '../spans.js'
import { Group } from '../../shared/words.js'

/** The longest wait, milliseconds. */
const LONGEST_MS = 5
/** After so many waits in a row that were in vain, the pause between two of them does not grow any more. */
const FAILURES_MAX = 6

/** A flush that needs a record has come. @requires round mutex */
export function arrive(context: Context, group: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  context.words[context.arena.groupAt(group) + Group.arrived]!++
}

/**
 * Whether a thread that could lead should wait for others first. `hasWaited`: it did, and leads now, whatever is the case.
 * @requires round mutex
 */
export function awaitsOthers({ words, arena }: Context, group: number, hasWaited: boolean): boolean {
  const at = arena.groupAt(group)
  const waiting = (words[at + Group.arrived]! - words[at + Group.atCut]!) | 0
  if (waiting >= words[at + Group.together]!) {
    words[at + Group.missed] = 0
    return false
  }
  if (hasWaited) {
    const missed = Math.min(words[at + Group.missed]! + 1, FAILURES_MAX)
    words[at + Group.missed] = missed
    words[at + Group.unawaited] = 2 ** missed - 1
    return false
  }
  const unawaited = words[at + Group.unawaited]!
  if (unawaited === 0) return true
  words[at + Group.unawaited] = unawaited - 1
  return false
}

/**
 * Waits once, at most some milliseconds: until time is over, or until anything happens that other threads of the group wait for.
 * Being woken early costs a round that fewer threads share.
 */
export function* awaitOthers(context: Context, group: number, round: Round, ticket: Ticket): Slow<void> {
  const { words, arena } = context
  const at = arena.groupAt(group)
  const timeoutMs = Math.min(load(words, at + Group.recordUs) / 2000, LONGEST_MS)
  const value = round.enter()
  if (round.outcome(ticket) !== undefined || load(words, at + Group.leader) > 0) return
  const startMs = spanStart(context)
  yield { kind: 'wait', words, at: round.at, value, timeoutMs }
  spanEnd(context, 'wait.flush', startMs, group)
}

/** A cut has everything that came before it. @requires round mutex */
export function noteArrivals({ words, arena }: Context, group: number): void {
  const at = arena.groupAt(group)
  words[at + Group.served] = (words[at + Group.arrived]! - words[at + Group.atCut]!) | 0
  words[at + Group.atCut] = words[at + Group.arrived]!
}

/** A record round is over. @requires round mutex */
export function noteTogether({ words, arena }: Context, group: number): void {
  const at = arena.groupAt(group)
  const since = (words[at + Group.arrived]! - words[at + Group.atCut]!) | 0
  words[at + Group.together] = words[at + Group.served]! + since
}

/** How long a record took to write and sync, milliseconds. @requires round mutex */
export function noteRecordTime({ words, arena }: Context, group: number, ms: number): void {
  words[arena.groupAt(group) + Group.recordUs] = Math.min(Math.round(ms * 1000), 1_000_000)
}
