/**
 * Formats numbers for reports: three significant digits, and a unit that fits the size.
 */
const TIMES = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']] as const // prettier-ignore
const SIZES = [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']] as const // prettier-ignore
const SCALES = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const // prettier-ignore

/** At least three significant digits: `0.27`, `4.50`, `45.3`, `166`, `4937`. A whole number below 1000 has no fraction. */
export function digitsText(value: number): string {
  const size = Math.abs(rounded(value))
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2
  return value.toFixed(digits)
}

/** A time of at least 0 nanoseconds: `0`, `54.7 µs`, `166 ms`, `2 min 5 s`, `3 h 20 min`. */
export function durationText(ns: number): string {
  if (ns === 0) return '0'
  const seconds = Math.round(ns / 1e9)
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`
  if (seconds >= 60) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const [unit, name] = TIMES.find(([unit]) => rounded(ns) >= unit) ?? TIMES[3]
  return `${digitsText(ns / unit)} ${name}`
}

/** Time left, rounded to whole seconds: `6 s`, `2 min 5 s`. */
export const secondsText = (seconds: number): string =>
  seconds < 0.5 ? '0 s' : durationText(Math.round(seconds) * 1e9)

/** Bytes: `512 bytes`, `4.00 KiB`, `1.25 GiB`. */
export function bytesText(bytes: number): string {
  const [unit, name] = SIZES.find(([unit]) => bytes >= unit) ?? [1, 'bytes']
  return `${unit === 1 ? Math.round(bytes) : (bytes / unit).toFixed(bytes / unit >= 100 ? 0 : bytes / unit >= 10 ? 1 : 2)} ${name}` // prettier-ignore
}

/** A large number that need not be exact: `8`, `245 k`, `18.6 M`. */
export function scaledText(value: number): string {
  const scale = SCALES.find(([scale]) => rounded(value) >= scale)
  return scale === undefined ? digitsText(value) : `${digitsText(value / scale[0])} ${scale[1]}`
}

/** An exact number with commas. */
export const countText = (value: number): string => Math.round(value).toLocaleString('en-US')

/** A share of 1 in percent, with one decimal. */
export const percentText = (share: number): string => `${(share * 100).toFixed(1)} %`

/** The value in three significant digits. 999.7 becomes 1000 and so gets the next unit. */
const rounded = (value: number): number => Number(value.toPrecision(3))
