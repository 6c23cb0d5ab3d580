/**
 * Spans of the flight recorder (shared/trace.ts) in paths that are not hot: a span is begun with `spanStart` and recorded with
 * `spanEnd`. When tracing is off, each costs a test of a constant: the clock is read only if the span is recorded.
 */
import { performance } from 'node:perf_hooks'
import type { Mutex } from '../shared/mutex.js'
import { ROUND_KINDS, type RoundKind, TRACE, type TracePoint } from '../shared/trace.js'
import type { Context } from './context.js'

/** When a span begins, for `spanEnd`; 0 if nothing is recorded. */
export const spanStart = ({ isTraced }: Context): number => (isTraced ? performance.now() : 0)

/** Records a span that ends now. `TraceRecord` says what the numbers mean. */
export function spanEnd(
  { isTraced, tracer }: Context,
  point: TracePoint,
  startMs: number,
  partition: number,
  block = 0,
  value = 0,
): void {
  if (isTraced) tracer.span(TRACE[point], partition, block, value, startMs)
}

/** Records a wait for a mutex. */
export function mutexWaitEnd(context: Context, startMs: number, mutex: Mutex): void {
  if (!context.isTraced) return
  const group = Math.max(0, context.roundMutexes.indexOf(mutex))
  spanEnd(context, 'wait.mutex', startMs, group, 0, mutex.rank)
}

/** Records a round that is over. */
export function roundEnd(
  context: Context,
  startMs: number,
  group: number,
  { frames }: { readonly frames: { readonly length: number } },
  kind: RoundKind,
  isDone: boolean,
): void {
  const number = ROUND_KINDS.indexOf(kind)
  spanEnd(context, 'work.round', startMs, group, frames.length, isDone ? number : -number)
}
