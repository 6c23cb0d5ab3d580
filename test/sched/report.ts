// Schedules as text: a short form to run one again, and a log of its steps to read.

import { OPS } from './atomics.js'
import type { Body } from './body.js'
import { At } from './control.js'
import type { Words } from '#atomics'

/** Picks as `0x12 1 0x3 2`: runs of the same pick are counted, and trailing zeros are omitted. */
export function formatPicks(picks: readonly number[]): string {
  const parts: string[] = []
  const end = picks.findLastIndex((pick) => pick !== 0) + 1
  for (let i = 0; i < end;) {
    let next = i
    while (next < end && picks[next] === picks[i]) next++
    parts.push(next - i === 1 ? `${picks[i]!}` : `${picks[i]!}x${next - i}`)
    i = next
  }
  return parts.join(' ')
}

export function parsePicks(text: string): number[] {
  return text
    .split(/\s+/)
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [pick, count = 1] = part.split('x').map(Number)
      return Array.from({ length: count }, () => pick!)
    })
}

/** Every step of the last schedule, with consecutive steps of a thread in one paragraph. */
export function logText(control: Words, { roles, nameOf = (at) => `word ${at}` }: Body): string {
  const lines: string[] = []
  let last = -1
  for (let step = 0; step < control[At.steps]!; step++) {
    const [who, at, value] = control.subarray(At.log + 3 * step, At.log + 3 * step + 3)
    const [thread, op] = [who! >> 8, OPS[who! & 0xff]!]
    if (thread !== last) lines.push(`${roles[thread]?.name ?? 'no thread'}:`)
    last = thread
    const text = op === 'point' ? `point ${value!}` : `${op} ${nameOf(at!)}`
    lines.push(
      op === 'load' || op === 'point' || op === 'dies'
        ? `  ${text}`
        : `  ${text} 0x${(value! >>> 0).toString(16)}`,
    )
  }
  return lines.join('\n')
}
