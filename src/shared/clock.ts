/**
 * Clocks that all threads of the process share, in words of 32 bits. Only differences, truncated to 32 bits, are meaningful.
 */
import { performance } from 'node:perf_hooks'

const ORIGIN_MS = performance.timeOrigin

/** Milliseconds; for differences of up to 24 days. */
export const clockMs = (nowMs = performance.now()): number => (ORIGIN_MS + nowMs) | 0

/** Ticks per millisecond: fine enough to order waits that begin shortly after each other. */
const TICKS_PER_MS = 64
/** Ticks; for differences of up to 9 hours. */
export const clockTicks = (): number => ((ORIGIN_MS + performance.now()) * TICKS_PER_MS) | 0
/** Milliseconds since a reading of `clockTicks`. */
export const msSince = (ticks: number): number => ((clockTicks() - ticks) | 0) / TICKS_PER_MS
