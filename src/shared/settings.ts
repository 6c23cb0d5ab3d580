/**
 * The settings that can be changed while the cache is open: their validation, and the words that have them.
 */
import { store, type Words } from '#atomics'
import type { LiveOptions } from './options.js'
import { parseSize, refuse, show } from './values.js'
import { Header } from './words.js'

/** What can be changed while the cache is open. */
export const LIVE: readonly (keyof LiveOptions)[] = [
  'memory', 'dirtyLimit', 'dirtyBackground', 'flushDelayMs', 'writeBytesPerSecond', 'readAheadBytes',
] // prettier-ignore

export interface Settings {
  /** Shares of the blocks. */
  readonly dirtyLimit: number
  readonly dirtyBackground: number
  readonly flushDelayMs: number
  /** Infinity means no limit. */
  readonly writeBytesPerSecond: number
  readonly readAheadBytes: number
}

/** @throws ERR_DCACHE_BAD_OPTION */
export function parseSettings(options: LiveOptions): Settings {
  const { flushDelayMs = 5000, dirtyLimit = 2 / 3, readAheadBytes = 2 ** 20 } = options
  const { writeBytesPerSecond: rate = Infinity, dirtyBackground = dirtyLimit / 2 } = options
  if (!Number.isInteger(flushDelayMs) || flushDelayMs < 0 || flushDelayMs > 2 ** 31 - 1)
    refuse(`flushDelayMs is ${show(flushDelayMs)}; it must be a whole number of milliseconds, 0 to 2^31 - 1`)
  for (const [name, share] of Object.entries({ dirtyLimit, dirtyBackground }))
    if (typeof share !== 'number' || !(share > 0 && share <= 1))
      refuse(`${name} is ${show(share)}; it must be a share of the blocks, above 0 and at most 1`)
  const writeBytesPerSecond = rate === Infinity ? Infinity : parseSize(rate, 'writeBytesPerSecond')
  if (writeBytesPerSecond === 0)
    refuse('writeBytesPerSecond is 0; it must be at least 1 byte per second; Infinity is no limit')
  return {
    dirtyLimit,
    dirtyBackground,
    flushDelayMs,
    writeBytesPerSecond,
    readAheadBytes: parseSize(readAheadBytes, 'readAheadBytes'),
  }
}

/** Stores what is not of a group. Called by the owner. */
export function storeSettings(words: Words, settings: Settings): void {
  const rate = settings.writeBytesPerSecond === Infinity ? 0 : settings.writeBytesPerSecond
  store(words, Header.flushDelayMs, settings.flushDelayMs)
  store(words, Header.writeRateLow, rate | 0)
  store(words, Header.writeRateHigh, Math.floor(rate / 2 ** 32))
  store(words, Header.readAheadBytes, Math.min(settings.readAheadBytes, 2 ** 31 - 1))
}

/** In bytes per second; Infinity: no limit. A change may be seen half for a moment. */
export function writeRate(words: Words): number {
  const rate = (words[Header.writeRateLow]! >>> 0) + words[Header.writeRateHigh]! * 2 ** 32
  return rate === 0 ? Infinity : rate
}
