/**
 * Clocks that all threads of the process share, as words of 32 bits: subtract and cut to 32 bits.
 */
import { performance } from 'node:perf_hooks'

const ORIGIN_MS = performance.timeOrigin

/** Milliseconds; differences up to 24 days. */
export const clockMs = (nowMs = performance.now()): number => (ORIGIN_MS + nowMs) | 0

/** Ticks of a millisecond: fine enough to order waits that begin one after the other. */
const TICKS_PER_MS = 64
/** Ticks; differences up to 9 hours. */
export const clockTicks = (): number => ((ORIGIN_MS + performance.now()) * TICKS_PER_MS) | 0
/** Milliseconds since a reading of `clockTicks`. */
export const msSince = (ticks: number): number => ((clockTicks() - ticks) | 0) / TICKS_PER_MS
