/**
 * The options of `dcache load`, checked as far as it can be done without opening anything; sizes and files are for
 * openCache to refuse.
 */
import { InvalidArgumentError } from 'commander'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type Pattern } from '../workload/pattern.js'

export interface NamedPartition {
  readonly path: string
  readonly blockSize: number
}

/** As commander collects them. */
export interface LoadSettings {
  readonly partition: readonly NamedPartition[]
  readonly threads: number
  readonly seconds?: number
  readonly ops?: number
  readonly reads: number
  readonly classChanges: number
  readonly pattern: Pattern
  readonly trace?: string
  readonly memory: string
  readonly policy: 'lru2' | '2q'
  readonly seed: number
  readonly json: boolean
}

export const SECONDS = 10
export const BLOCK_SIZE = 8192

/** A parser for commander: a whole number of a range. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`)
    return value
  }
}

/** A parser for commander: a number of a range, above 0 where `least` is 0 and not `isIncluded`. */
export function number(least: number, most: number, isIncluded = true): (text: string) => number {
  return (text) => {
    const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN
    if (!(value >= least && value <= most && (isIncluded || value > least)))
      throw new InvalidArgumentError(
        `It is a number ${isIncluded ? 'from' : 'above'} ${least} ${isIncluded ? '' : 'and up '}to ${most}.`,
      )
    return value
  }
}

/** What follows the last colon is the block size, if it is a number. */
export function parsePartition(text: string, before: readonly NamedPartition[]): NamedPartition[] {
  const match = /^(.+):(\d+)$/s.exec(text)
  const partition = match
    ? { path: match[1]!, blockSize: Number(match[2]) }
    : { path: text, blockSize: BLOCK_SIZE }
  return [...before, partition]
}

const ZIPF = /^zipf(?::(\d*\.?\d+))?$/

export function parsePattern(text: string): Pattern {
  if (text === 'uniform' || text === 'scan' || text === 'hot') return { kind: text }
  const match = ZIPF.exec(text)
  const exponent = match ? Number(match[1] ?? 0.99) : NaN
  if (!(exponent > 0 && exponent <= 10))
    throw new InvalidArgumentError(
      'It is uniform, scan, hot, or zipf:EXPONENT with an exponent above 0 and up to 10.',
    )
  return { kind: 'zipf', exponent }
}

export const patternText = (pattern: Pattern): string =>
  pattern.kind === 'zipf' ? `zipf:${pattern.exponent}` : pattern.kind

/** The block numbers of a trace, in shared memory. @throws with a message for the user */
export async function readTrace(path: string): Promise<Uint32Array<SharedArrayBuffer>> {
  let bytes: Buffer
  try {
    bytes = await promisify(gunzip)(await readFile(path))
  } catch (cause) {
    throw new Error(`the trace ${path} can't be read: ${(cause as Error).message}`, { cause })
  }
  if (bytes.length === 0 || bytes.length % 4 !== 0)
    throw new Error(`the trace ${path} holds ${bytes.length} bytes; it is 4 bytes for each access`)
  const trace = new Uint32Array(new SharedArrayBuffer(bytes.length))
  for (let i = 0; i < trace.length; i++) trace[i] = bytes.readUInt32LE(i * 4)
  return trace
}
