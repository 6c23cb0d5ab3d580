/**
 * What a thread tells of its own slow work through channels of node:diagnostics_channel: misses, long waits and rounds. They are
 * published in the thread that did it, when it is over. Without subscribers that is a look at a property for each of them.
 *
 * Most rounds run in the flush worker, where no program can subscribe. It hands them to the owner's thread, if that has subscribers
 * (workers/round-news.ts).
 */
import { load } from '#atomics'
import { channel } from 'node:diagnostics_channel'
import { performance } from 'node:perf_hooks'
import type { MissMessage, RoundMessage, StallMessage } from '../shared/channel-messages.js'
import type { TracePoint } from '../shared/trace.js'
import type { Context } from './context.js'
import { Header } from '../shared/words.js'

const MISS = channel('dcache:miss')
const STALL = channel('dcache:stall')
const ROUND = channel('dcache:round')

/** A wait of less is not told. */
const STALL_MS = 10

const STALLS: Partial<Record<TracePoint, StallMessage['cause']>> = {
  'wait.latch': 'latch',
  'wait.frame': 'frame',
  'wait.dirty': 'dirtyLimit',
  'wait.spare': 'spare',
  'wait.mutex': 'mutex',
  'wait.flush': 'flush',
}

export const hasMissListeners = (): boolean => MISS.hasSubscribers
export const hasListeners = (): boolean => MISS.hasSubscribers || STALL.hasSubscribers

export function tellMiss(
  context: Context,
  partition: number,
  block: number,
  blocks: number,
  startMs: number,
): void {
  if (!MISS.hasSubscribers) return
  const name = context.partitions.find(partition)?.name ?? ''
  const message: MissMessage = { partition: name, block, blocks, durationMs: performance.now() - startMs }
  MISS.publish(message)
}

/** Of the points of the flight recorder, those that are waits. `partition`: of a wait for a round or a mutex the group. */
export function tellStall(
  context: Context,
  point: TracePoint,
  partition: number,
  block: number,
  startMs: number,
): void {
  const cause = STALLS[point]
  if (cause === undefined || !STALL.hasSubscribers) return
  const durationMs = performance.now() - startMs
  if (durationMs < STALL_MS) return
  const isOfBlock = cause !== 'mutex' && cause !== 'flush'
  const name = isOfBlock ? context.partitions.find(partition)?.name : undefined
  const message: StallMessage = { cause, durationMs, ...(name !== undefined && { partition: name, block }) }
  STALL.publish(message)
}

/** Whether a round that begins now will be told, in this thread or in the owner's. */
export const hasRoundListeners = ({ words, handRound }: Context): boolean =>
  ROUND.hasSubscribers || (handRound !== undefined && load(words, Header.roundsTold) === 1)

export function tellRound(
  context: Context,
  group: number,
  kind: RoundMessage['kind'],
  blocks: number,
  startMs: number,
  isDone: boolean,
): void {
  if (!hasRoundListeners(context)) return
  const durationMs = performance.now() - startMs
  if (context.handRound !== undefined) context.handRound({ group, kind, blocks, durationMs, isDone })
  else publishRound({ group: context.groups[group]!, kind, blocks, durationMs, isDone, untold: 0 })
}

/** Publishes a round in this thread. */
export function publishRound(message: RoundMessage): void {
  if (ROUND.hasSubscribers) ROUND.publish(message)
}
