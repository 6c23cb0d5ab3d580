/**
 * Values of options: sizes with units, and how a bad value is refused. Every message has the bad value.
 */
import { inspect } from 'node:util'
import { CacheError, type CacheErrorCode } from './errors.js'

const UNITS: Readonly<Record<string, number>> = {
  '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40,
  K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40,
} // prettier-ignore

/** Converts a number, or a string such as '64MiB', '1.5 GB' or '4096', to bytes. @throws ERR_DCACHE_BAD_OPTION */
export function parseSize(value: number | string, what: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(value))
  const unit = UNITS[match?.[2]?.toUpperCase() ?? '?']
  const bytes = unit === undefined ? NaN : Number(match?.[1]) * unit
  if (!Number.isSafeInteger(bytes))
    refuse(`${what} is ${show(value)}; it must be a whole number of bytes, or a string such as '64MiB'`)
  return bytes
}

/** @throws ERR_DCACHE_BAD_OPTION, or `code` */
export function refuse(message: string, code: CacheErrorCode = 'ERR_DCACHE_BAD_OPTION'): never {
  throw new CacheError(code, message)
}

/** A value as it would be written in code, truncated to 80 characters for a message. */
export function show(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : inspect(value, { breakLength: Infinity, depth: 1 })
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
