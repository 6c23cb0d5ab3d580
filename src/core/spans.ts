/**
 * Spans of the flight recorder (shared/trace.ts) in paths that are not hot: a span is begun with `spanStart` and recorded with
 * `spanEnd`. When tracing is off and no channel has a subscriber (told.ts), each costs a test of a constant and of two properties:
 * the clock is read only if the span is recorded or told.
 */
import { performance } from 'node:perf_hooks'
import type { Mutex } from '../shared/mutex.js'
import { ROUND_KINDS, type RoundKind, TRACE, type TracePoint } from '../shared/trace.js'
import type { Context } from './context.js'
import { hasListeners, hasRoundListeners, tellMiss, tellRound, tellStall } from './told.js'

/** When a span begins, for `spanEnd`; 0 if it is neither recorded nor told. */
export const spanStart = ({ isTraced }: Context): number =>
  isTraced || hasListeners() ? performance.now() : 0

/** Records and tells a span that ends now. `TraceRecord` says what the numbers mean. */
export function spanEnd(
  context: Context,
  point: TracePoint,
  startMs: number,
  partition: number,
  block = 0,
  value = 0,
): void {
  if (startMs === 0) return
  if (context.isTraced) context.tracer.span(TRACE[point], partition, block, value, startMs)
  if (point === 'block.load') tellMiss(context, partition, block, value, startMs)
  else tellStall(context, point, partition, block, startMs)
}

/** Records a wait for a mutex. */
export function mutexWaitEnd(context: Context, startMs: number, mutex: Mutex): void {
  if (startMs === 0) return
  const group = Math.max(0, context.roundMutexes.indexOf(mutex))
  spanEnd(context, 'wait.mutex', startMs, group, 0, mutex.rank)
}

/** As `spanStart`, for a round. */
export const roundStart = (context: Context): number =>
  context.isTraced || hasRoundListeners(context) ? performance.now() : 0

/** Records and tells a round that is over. */
export function roundEnd(
  context: Context,
  startMs: number,
  group: number,
  { frames }: { readonly frames: { readonly length: number } },
  kind: RoundKind,
  isDone: boolean,
): void {
  if (startMs === 0) return
  const number = ROUND_KINDS.indexOf(kind)
  spanEnd(context, 'work.round', startMs, group, frames.length, isDone ? number : -number)
  tellRound(context, group, kind, frames.length, startMs, isDone)
}
