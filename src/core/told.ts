/**
 * What a thread tells of its own slow calls through channels of node:diagnostics_channel: misses, and long waits. They are published in
 * the thread of the call, when it is over. Without subscribers that is a look at a property for each miss or wait.
 */
import { channel } from 'node:diagnostics_channel'
import { performance } from 'node:perf_hooks'
import type { MissMessage, StallMessage } from '../shared/channel-messages.js'
import type { TracePoint } from '../shared/trace.js'
import type { Context } from './context.js'

const MISS = channel('dcache:miss')
const STALL = channel('dcache:stall')

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
