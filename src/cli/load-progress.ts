/**
 * What a load says while it runs: one line, written again in place on a terminal, a new one every two seconds elsewhere.
 */
import { performance } from 'node:perf_hooks'
import type { WriteStream } from 'node:tty'
import type { CacheStats } from '../index.js'
import type { LoadCounts } from '../workload/board.js'

const TERMINAL_MS = 250
const PLAIN_MS = 2000
const ERASE_LINE = '\r\x1b[K'

/** One moment of a running load. */
export interface Moment {
  readonly stats: CacheStats
  readonly counts: LoadCounts
}

export function showProgress(stream: WriteStream, look: () => Moment): Disposable {
  const startMs = performance.now()
  let before = { ...look(), atMs: startMs }
  const show = () => {
    const now = { ...look(), atMs: performance.now() }
    const line = lineOf(before, now, (now.atMs - before.atMs) / 1000, (now.atMs - startMs) / 1000)
    before = now
    // A line that wraps could not be erased.
    stream.write(stream.isTTY ? ERASE_LINE + line.slice(0, stream.columns - 1) : `${line}\n`)
  }
  const timer = setInterval(show, stream.isTTY ? TERMINAL_MS : PLAIN_MS)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      if (stream.isTTY) stream.write(ERASE_LINE)
    },
  }
}

function lineOf(before: Moment, now: Moment, seconds: number, sinceStart: number): string {
  const accesses = (counts: LoadCounts) => counts.reads + counts.writes
  const rate = (accesses(now.counts) - accesses(before.counts)) / seconds
  const parts = [
    `${sinceStart.toFixed(1).padStart(6)} s`,
    `${count(rate).padStart(9)} accesses/s`,
    `hits ${percent(hitRatio(before, now))}`,
    `dirty ${percent(now.stats.dirty / now.stats.size)}`,
    `rounds ${count(now.stats.rounds)}`,
  ]
  if (now.counts.mismatched > 0) parts.push(`WRONG ${count(now.counts.mismatched)}`)
  return parts.join('  ')
}

/** Share of the accesses that found their block cached; a second look at the same block is not one. */
export function hitRatio(before: Moment | undefined, now: Moment): number {
  const repeated = now.counts.repeated - (before?.counts.repeated ?? 0)
  const lookups = now.stats.lookups - (before?.stats.lookups ?? 0) - repeated
  const hits = now.stats.hits - (before?.stats.hits ?? 0) - repeated
  return lookups <= 0 ? 0 : Math.max(0, hits / lookups)
}

export const count = (value: number): string => Math.round(value).toLocaleString('en-US')
export const percent = (share: number): string => `${(share * 100).toFixed(1).padStart(5)} %`
