/**
 * The progress of a load: on a terminal, one line that is updated in place; elsewhere, a new line every two seconds.
 */
import { performance } from 'node:perf_hooks'
import type { WriteStream } from 'node:tty'
import type { CacheStats } from '../index.js'
import type { LoadCounts } from '../workload/board.js'
import { columnsOf, fitParts, StatusLine } from './terminal.js'
import { countText, percentText, secondsText } from './units.js'

const TERMINAL_MS = 250
const PLAIN_MS = 2000
/** A rate over less than this share of the interval is too inaccurate to show. */
const INTERVAL_MIN = 0.5

/** One moment of a running load. */
export interface Moment {
  readonly stats: CacheStats
  readonly counts: LoadCounts
  /** The threads have been stopped or have no accesses left to begin, so rates are no longer meaningful. */
  readonly isEnding: boolean
}

export interface ProgressOptions {
  readonly stream: WriteStream
  readonly look: () => Moment
  /** Duration and number of accesses of the load, if limited. */
  readonly seconds: number | undefined
  readonly ops: number | undefined
}

/** Shows the progress until it is disposed. */
export function showProgress({ stream, look, seconds, ops }: ProgressOptions): Disposable {
  const intervalMs = stream.isTTY ? TERMINAL_MS : PLAIN_MS
  const status = new StatusLine(stream)
  const startMs = performance.now()
  let before = { ...look(), atMs: startMs }
  const show = () => {
    const now = { ...look(), atMs: performance.now() }
    const elapsed = (now.atMs - startMs) / 1000
    if (now.isEnding) {
      status.show(`${timeText(elapsed)}  the threads are finishing their last accesses`)
      return
    }
    if (now.atMs - before.atMs < intervalMs * INTERVAL_MIN) return
    const line = progressLine({
      before,
      now,
      interval: (now.atMs - before.atMs) / 1000,
      elapsed,
      left: secondsLeft(now.counts, elapsed, seconds, ops),
      width: columnsOf(stream) - 1,
    })
    before = now
    if (stream.isTTY) status.show(line)
    else stream.write(`${line}\n`)
  }
  const timer = setInterval(show, intervalMs)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      status.erase()
    },
  }
}

export interface ProgressLine {
  readonly before: Omit<Moment, 'isEnding'>
  readonly now: Omit<Moment, 'isEnding'>
  /** Seconds between the two moments, from the start to the second, and to the end. */
  readonly interval: number
  readonly elapsed: number
  readonly left: number | undefined
  /** In columns. The least important parts are omitted first. */
  readonly width: number
}

/** Formats the progress as one line. */
export function progressLine({ before, now, interval, elapsed, left, width }: ProgressLine): string {
  const rate = (accessesOf(now.counts) - accessesOf(before.counts)) / interval
  const { mismatched } = now.counts
  const parts: [number, string][] = [
    [1, timeText(elapsed)],
    [0, `${countText(rate).padStart(9)} accesses/s`],
    [3, `hits ${percentText(hitRatio(before, now)).padStart(7)}`],
    [4, `dirty ${percentText(now.stats.dirty / now.stats.size).padStart(7)}`],
    [5, `rounds ${countText(now.stats.rounds)}`],
  ]
  if (mismatched > 0) parts.push([-1, `WRONG ${countText(mismatched)}`])
  if (left !== undefined) parts.push([2, `${secondsText(left)} left`])
  return fitParts(parts, width)
}

/** Estimates the seconds left from the limit of time or accesses that ends the load first. */
export function secondsLeft(
  counts: LoadCounts,
  elapsed: number,
  seconds: number | undefined,
  ops: number | undefined,
): number | undefined {
  const byTime = seconds === undefined ? Infinity : seconds - elapsed
  const done = accessesOf(counts)
  const byCount = ops === undefined || done === 0 ? Infinity : (elapsed * (ops - done)) / done
  const left = Math.max(0, Math.min(byTime, byCount))
  return left === Infinity ? undefined : left
}

/** Share of the accesses that found their block cached. Repeated lookups of a block within an access do not count. */
export function hitRatio(
  before: Omit<Moment, 'isEnding'> | undefined,
  now: Omit<Moment, 'isEnding'>,
): number {
  const repeated = now.counts.repeated - (before?.counts.repeated ?? 0)
  const lookups = now.stats.lookups - (before?.stats.lookups ?? 0) - repeated
  const hits = now.stats.hits - (before?.stats.hits ?? 0) - repeated
  return lookups <= 0 ? 0 : Math.max(0, hits / lookups)
}

const accessesOf = ({ reads, writes }: LoadCounts): number => reads + writes
const timeText = (seconds: number): string => `${seconds.toFixed(1).padStart(5)} s`
