/**
 * The file that says which blocks a closed cache had, in order of worth: a line of JSON, and the numbers behind it. A list that is
 * damaged, or of another version, is of no use; a list that is old is only less useful, because it has no contents.
 */
import { createHash } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { Cached } from '../core/prefetch/worth.js'

const VERSION = 1

/** A partition of a list. Its blocks mean nothing if the size of a block is another one by now. */
export interface ListedPartition {
  readonly name: string
  readonly blockSize: number
}

export interface WarmList {
  /** By the numbers in `cached`. */
  readonly partitions: readonly (ListedPartition | undefined)[]
  readonly cached: Cached
}

interface Head {
  readonly dcache: 'warm'
  readonly version: number
  readonly partitions: readonly (ListedPartition | null)[]
  readonly count: number
  readonly sha256: string
}

/** Replaces the file at once, so that a crash leaves the former list or this one. */
export async function writeList(path: string, { partitions, cached }: WarmList): Promise<void> {
  const body = Buffer.concat([bytesOf(cached.blocks), bytesOf(cached.partitions)])
  const head: Head = {
    dcache: 'warm',
    version: VERSION,
    partitions: Array.from(partitions, (partition) => partition ?? null),
    count: cached.blocks.length,
    sha256: sum(body),
  }
  const draft = `${path}.${process.pid}.new`
  try {
    await writeFile(draft, Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]))
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** Undefined if there is no file. @throws if it cannot be read, or is damaged */
export async function readList(path: string): Promise<WarmList | undefined> {
  const file = await readFile(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return undefined
  const end = file.indexOf('\n')
  const head = JSON.parse(file.toString('utf8', 0, Math.max(0, end))) as Partial<Head>
  const body = Uint8Array.from(file.subarray(end + 1)) // aligned
  const { count = -1, partitions = [] } = head
  const isWhole = head.version === VERSION && body.length === count * 10 && head.sha256 === sum(body)
  if (!isWhole) throw new Error('it is damaged, or of another version')
  return {
    partitions: partitions.map((partition) => partition ?? undefined),
    cached: {
      blocks: new Float64Array(body.buffer, 0, count),
      partitions: new Uint16Array(body.buffer, count * 8, count),
    },
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: NodeJS.TypedArray): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength)

const sum = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
