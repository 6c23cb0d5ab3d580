/** Numbers and names as the page shows them. What is missing is a dash, never the name of a missing value. */

export const NONE = '–'

type Maybe = number | undefined | null

const isNumber = (value: Maybe): value is number => typeof value === 'number' && Number.isFinite(value)

/** Three significant digits at most, unless it is a whole number below 1000. */
function digits(value: number): string {
  const size = Math.abs(value)
  const decimals = Number.isInteger(value) || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2
  return value.toFixed(decimals)
}

function scaled(value: Maybe, base: number, units: readonly string[]): string {
  if (!isNumber(value)) return NONE
  let [size, unit] = [value, 0]
  while (Math.abs(size) >= base - 0.5 && unit < units.length - 1) [size, unit] = [size / base, unit + 1]
  return `${digits(size)}${units[unit]!}`
}

/** An exact number with commas. */
export const whole = (value: Maybe): string =>
  isNumber(value) ? Math.round(value).toLocaleString('en-US') : NONE

export const count = (value: Maybe): string => scaled(value, 1000, ['', ' k', ' M', ' G'])
export const bytes = (value: Maybe): string => scaled(value, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB'])

export function perSecond(value: Maybe, unit: (value: Maybe) => string = count): string {
  // Less than one in a hundred seconds is told as it is.
  return isNumber(value) ? `${unit(value > 0 && value < 0.01 ? 0.01 : value)}/s` : NONE
}

export function percent(share: Maybe): string {
  if (!isNumber(share)) return NONE
  const value = share * 100
  if (value > 0 && value < 0.05) return '< 0.1 %'
  // Not 100.0 % when it is a little less.
  const shown = value > 99.9 && value < 100 ? Math.floor(value * 100) / 100 : value
  return `${shown > 99.9 && shown < 100 ? shown.toFixed(2) : shown.toFixed(1)} %`
}

export function duration(ms: Maybe): string {
  if (!isNumber(ms)) return NONE
  if (ms < 0.9995) return `${digits(ms * 1000)} µs`
  return ms < 999.5 ? `${digits(ms)} ms` : `${digits(ms / 1000)} s`
}

export const time = (ms: number): string => new Date(ms).toTimeString().slice(0, 8)

export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${whole(value)} ${value === 1 ? one : many}`

/** Characters that a browser acts on instead of showing them, such as those that turn the direction of a text. */
const ACTING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
const NAME_MAX = 80

/** A name that the program has chosen: any characters, any length. */
export function nameText(name: string): string {
  const visible = name.replace(ACTING, (one) => `\\u{${one.codePointAt(0)!.toString(16)}}`)
  return visible.length > NAME_MAX ? `${visible.slice(0, NAME_MAX - 1)}…` : visible
}

export const groupText = (group: string): string => (group === '' ? 'without a group' : nameText(group))
