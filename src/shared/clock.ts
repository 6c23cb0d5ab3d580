/**
 * Clocks that all threads of the process share. Most are in words of 32 bits: of these only differences, truncated to 32 bits, are
 * meaningful.
 */
import { performance } from 'node:perf_hooks'

const ORIGIN_MS = performance.timeOrigin
/**
 * What has to be added to `performance.now()` for the time of the machine's monotonic clock, microseconds. The time origin of a
 * thread is a reading of the system's clock, which may have been set since another thread began. The shortest of some attempts
 * has the least between its two readings.
 */
const MONOTONIC_US = Math.min(
  ...Array.from({ length: 8 }, () => {
    const nowMs = performance.now()
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1e6 + nanoseconds / 1e3 - nowMs * 1e3
  }),
)

/** Milliseconds; for differences of up to 24 days. */
export const clockMs = (nowMs = performance.now()): number => (ORIGIN_MS + nowMs) | 0

/** Whole microseconds of the monotonic clock; a number of up to 53 bits. `nowMs`: a reading of `performance.now()` in this thread. */
export const clockUs = (nowMs = performance.now()): number => Math.floor(MONOTONIC_US + nowMs * 1000)

/** Ticks per millisecond: fine enough to order waits that begin shortly after each other. */
const TICKS_PER_MS = 64
/** Ticks; for differences of up to 9 hours. */
export const clockTicks = (): number => ((ORIGIN_MS + performance.now()) * TICKS_PER_MS) | 0
/** Milliseconds since a reading of `clockTicks`. */
export const msSince = (ticks: number): number => ((clockTicks() - ticks) | 0) / TICKS_PER_MS
