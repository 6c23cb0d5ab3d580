/**
 * Emptying a journal: before its records are erased, all that they have must be durable in place, and none may follow. The owner asks for
 * that when it closes the cache, and when a partition goes or becomes smaller.
 *
 *   GO --stopRecords--> LAST --a record, with all that was changed before, is durable--> STOPPED --resumeRecords--> GO
 *
 * From the cut of the last record on, changes keep the images that it has (changes/recorded.ts), so each is at hand when its turn comes
 * to be written in place. Flushes that come later wait for `resumeRecords`.
 */
import { load, store } from '#atomics'
import { ringBell, want } from '../wait/bell.js'
import { previousEpoch, RECORD_CLASS } from '../../shared/stamp.js'
import { Deadline, DEFAULT_TIMEOUT_MS, type Slow } from '../../shared/wait.js'
import type { Context } from '../context.js'
import { fencedError } from '../wait/failure.js'
import { Watch } from '../wait/watch.js'
import { hasInClass } from './recorded.js'
import { lockRound, Progress, unlockRound } from './rounds.js'
import { Group, Led, Records } from '../../shared/words.js'

/**
 * Waits until all that the journal has is durable in place. No record is written from then on, until `resumeRecords`; if it throws,
 * they go on. The timeout is that of `flush`. Called by the owner.
 * @takes round mutex
 * @throws ERR_DCACHE_FENCED, ERR_DCACHE_TIMEOUT
 */
export function* stopRecords(context: Context, group: number, timeoutMs = DEFAULT_TIMEOUT_MS): Slow<void> {
  const { words, arena } = context
  const at = arena.groupAt(group)
  const round = context.rounds[group]!
  const { failures } = round
  const watch = new Watch(context)
  const progress = new Progress(context, group, timeoutMs)
  try {
    const look = () => {
      if (round.failures !== failures || load(words, at + Group.fences) > 0) throw fencedError(context, group)
      watch.look()
      return progress.deadline()
    }
    const isIdle = () => load(words, at + Group.cut) === 0 && load(words, at + Group.leader) === Led.NONE
    for (;;) {
      yield* lockRound(context, group, new Deadline(timeoutMs))
      if (isIdle()) break
      unlockRound(context, group)
      // A record that is being written already has not all that was changed before the call.
      yield* round.until(
        () => isIdle() || undefined,
        look,
        () => progress.expired(),
      )
    }
    if (!hasInClass(context, group, RECORD_CLASS)) {
      words[at + Group.owedTo] = previousEpoch(words[at + Group.epoch]!)
      words[at + Group.owes] = 1
      store(words, at + Group.stopped, Records.STOPPED)
    } else {
      store(words, at + Group.stopped, Records.LAST)
      want(context, group, words[at + Group.epoch]!)
    }
    context.bellDue = true
    unlockRound(context, group)
    const isEmpty = () =>
      load(words, at + Group.stopped) === Records.STOPPED && load(words, at + Group.owes) === 0
    yield* round.until(
      () => isEmpty() || undefined,
      look,
      () => progress.expired(),
    )
  } catch (error) {
    resumeRecords(context, group)
    throw error
  }
}

/**
 * Waits until all that was changed before the call is durable in place. Called by the owner. Parameters and errors as those of
 * `stopRecords`: records stop for that time.
 */
export function* placeAll(context: Context, group: number, timeoutMs?: number): Slow<void> {
  yield* stopRecords(context, group, timeoutMs)
  resumeRecords(context, group)
}

/** Lets records be written again. */
export function resumeRecords(context: Context, group: number): void {
  store(context.words, context.arena.groupAt(group) + Group.stopped, Records.GO)
  context.rounds[group]!.broadcast()
  ringBell(context)
}
