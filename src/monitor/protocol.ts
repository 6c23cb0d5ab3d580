/**
 * What the monitor sends, as JSON: a sample each second, and events. Types only; the page and other viewers share them.
 * Counters are totals: a viewer computes rates from two samples and their `timeMs` (rates.ts).
 */
import type { CacheStats, Holder, ThreadInfo } from '../shared/reports.js'

export interface MonitorSample {
  readonly version: 1
  /** `Date.now()` when it was taken. */
  readonly timeMs: number
  readonly pid: number
  /** The option `name` of `monitor()`. */
  readonly name: string
  readonly stats: CacheStats
  /** Every thread that uses the cache, by slot. */
  readonly threads: readonly MonitorThread[]
  /**
   * Steps of write-back that ended in the last 2.5 s, by when they began; the longest 400 of them. Two samples have the same
   * step, if it ended between them. Undefined if the flight recorder is off.
   */
  readonly spans?: readonly MonitorSpan[]
}

export interface MonitorThread extends ThreadInfo {
  /** What it holds, up to 16, and how many there are. */
  readonly holds: readonly MonitorHold[]
  readonly holdCount: number
  /** What it waits for, up to 16, and how many waits there are. */
  readonly waits: readonly MonitorWait[]
  readonly waitCount: number
}

export interface MonitorHold {
  readonly mode: Holder['mode']
  readonly partition?: string | undefined
  readonly block?: number | undefined
  readonly sinceMs?: number | undefined
}

export interface MonitorWait extends MonitorHold {
  readonly heldBy: readonly number[]
  readonly cycle: readonly number[]
}

/** A step of write-back. */
export interface MonitorSpan {
  readonly point: 'work.stage' | 'work.round' | 'disk.write' | 'disk.fsync'
  readonly group?: string
  readonly partition?: string
  readonly writeClass?: string
  readonly slot: number
  /** On the scale of `Date.now()`. */
  readonly startMs: number
  readonly durationMs: number
  readonly blocks?: number
}

/**
 * An event of the cache, named as its channel without `dcache:`, or `orphaned` or `detached`, which end the monitor, as
 * `closed` does. An attached thread sees `fenced`, `restored` and `workerDied` in the samples, without the details.
 */
export interface MonitorEvent {
  readonly name: string
  readonly info: Readonly<Record<string, unknown>>
  readonly timeMs: number
}
