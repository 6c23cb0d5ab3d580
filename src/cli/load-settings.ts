/**
 * The options of `dcache load`, validated as far as possible without opening a file. openCache checks sizes and files.
 */
import { InvalidArgumentError } from 'commander'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { MonitorOptions } from '../monitor/index.js'
import type { PolicyName } from '../shared/options.js'
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
  /** How many times as large the partitions become. */
  readonly grow?: number
  readonly pattern: Pattern
  readonly trace?: string
  readonly memory: string
  readonly policy: PolicyName
  readonly seed: number
  readonly monitor?: MonitorOptions
  readonly json: boolean
}

export const SECONDS = 10
export const BLOCK_SIZE = 8192

/** Returns a parser for commander that accepts whole numbers from `least` to `most`. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    return value
  }
}

/** Returns a parser for commander that accepts numbers from `least` to `most`, without `least` unless `isIncluded`. */
export function number(least: number, most: number, isIncluded = true): (text: string) => number {
  return (text) => {
    const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN
    if (!(value >= least && value <= most && (isIncluded || value > least)))
      throw new InvalidArgumentError(
        `It must be a number ${isIncluded ? 'from' : 'above'} ${least} ${isIncluded ? '' : 'and up '}to ${most}.`,
      )
    return value
  }
}

/** Parses PATH or PATH:BLOCKSIZE. The text after the last colon is the block size if it is a number. */
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
      'It must be uniform, scan, hot, or zipf:EXPONENT with an exponent above 0 and up to 10.',
    )
  return { kind: 'zipf', exponent }
}

export const patternText = (pattern: Pattern): string =>
  pattern.kind === 'zipf' ? `zipf:${pattern.exponent}` : pattern.kind

/** Reads the block numbers of a trace into shared memory. @throws with a message for the user */
export async function readTrace(path: string): Promise<Uint32Array<SharedArrayBuffer>> {
  let bytes: Buffer
  try {
    bytes = await promisify(gunzip)(await readFile(path))
  } catch (cause) {
    throw new Error(`the trace ${path} can't be read: ${(cause as Error).message}`, { cause })
  }
  if (bytes.length === 0 || bytes.length % 4 !== 0)
    throw new Error(`the trace ${path} holds ${bytes.length} bytes; a trace has 4 bytes for each access`)
  const trace = new Uint32Array(new SharedArrayBuffer(bytes.length))
  for (let i = 0; i < trace.length; i++) trace[i] = bytes.readUInt32LE(i * 4)
  return trace
}
