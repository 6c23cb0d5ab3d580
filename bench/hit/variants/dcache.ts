/**
 * A hit of dcache: acquire to read, read one byte, release. The byte is read through `bytes` and `offset`, or through
 * `data`; or `readSync`, which needs no guard, copies a few bytes.
 */
import type * as Dcache from 'dcache'
import type { CacheHandle } from 'dcache'
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, expectation, keyHighOf, type Workload } from '../workload.js'

export interface DcacheData {
  readonly workload: Workload
  readonly handle: CacheHandle
  /** What to import: 'dcache', or the URL of a changed copy. */
  readonly engine: string
  readonly reads: 'bytes' | 'data' | 'copy'
  /** Operations in a batch. Default: 1024. */
  readonly batch?: number
}

export const prepare: Prepare<DcacheData> = async (data, { lane }) => {
  const { workload, handle, engine, reads, batch = 1024 } = data
  const { attachCache } = (await import(engine)) as typeof Dcache
  const partition = attachCache(handle).partition('main')
  const sequence = workload.sequences[lane]!
  const mask = sequence.length - 1
  let position = 0

  const byBytes = (count: number): number => {
    let sum = 0
    let at = position
    for (let i = 0; i < count; i++) {
      const block = sequence[at]!
      at = (at + 1) & mask
      const guard = partition.acquireSync(block, 'read')
      sum += guard.bytes[guard.offset + keyHighOf(block)]!
      guard.release()
    }
    position = at
    return sum
  }

  const byData = (count: number): number => {
    let sum = 0
    let at = position
    for (let i = 0; i < count; i++) {
      const block = sequence[at]!
      at = (at + 1) & mask
      const guard = partition.acquireSync(block, 'read')
      sum += guard.data[keyHighOf(block)]!
      guard.release()
    }
    position = at
    return sum
  }

  const byCopy = (count: number): number => {
    let sum = 0
    let at = position
    const target = new Uint8Array(8)
    for (let i = 0; i < count; i++) {
      const block = sequence[at]!
      at = (at + 1) & mask
      const place = keyHighOf(block)
      partition.readSync(target, block * BLOCK_SIZE + (place & ~7))
      sum += target[place & 7]!
    }
    position = at
    return sum
  }

  const runs = { bytes: byBytes, data: byData, copy: byCopy }
  return { batch, run: runs[reads], expected: expectation(sequence) }
}
