/**
 * Rounds of the flush worker, for subscribers of the channel `dcache:round` in the owner's thread. Nothing tells the owner when a
 * program subscribes, so it looks once in a second, and sets a word in the shared buffer; without subscribers the flush worker
 * sends nothing, and the owner's event loop is not woken.
 *
 *   owner         looks for subscribers --> Header.roundsTold
 *   flush worker  at the end of a round, if the word is set: a record in the ring of events (events.ts). If the ring is full
 *                 the owner's thread is busy: the round is not told but counted, and the next record has the count
 */
import { store } from '#atomics'
import { channel } from 'node:diagnostics_channel'
import type { Context } from '../core/context.js'
import { publishRound } from '../core/told.js'
import type { RoundNews } from '../shared/channel-messages.js'
import { ROUND_KINDS, type RoundKind } from '../shared/trace.js'
import { Header } from '../shared/words.js'

const LOOK_MS = 1000
/** Records have words: durations are sent in microseconds, and end at 35 minutes. */
const US = 1000
const LONGEST_US = 2 ** 31 - 1

/** Owner's thread: looks for subscribers until the signal aborts. The timer does not keep the process alive. */
export function watchSubscribers({ words }: Context, signal: AbortSignal): void {
  const rounds = channel('dcache:round')
  const look = () => {
    store(words, Header.roundsTold, rounds.hasSubscribers ? 1 : 0)
  }
  look()
  const timer = setInterval(look, LOOK_MS).unref()
  signal.addEventListener('abort', () => {
    clearInterval(timer)
  })
}

/** The words of a record, behind that of its kind. */
export function roundRecord(round: RoundNews, untold: number): number[] {
  const { group, kind, blocks, durationMs, isDone } = round
  const us = Math.min(LONGEST_US, Math.round(durationMs * US))
  return [group, ROUND_KINDS.indexOf(kind), blocks, us, isDone ? 1 : 0, untold]
}

/** Owner's thread: tells a record, which has the words after its kind. */
export function publishRecord(context: Context, record: readonly number[]): void {
  const [group, kind, blocks, us, isDone, untold] = record.slice(1) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  publishRound({
    group: context.groups[group]!,
    kind: ROUND_KINDS[kind] as RoundKind,
    blocks,
    durationMs: us / US,
    isDone: isDone === 1,
    untold,
  })
}
