/**
 * A hit of dcache: acquire to read, one byte, release. The byte is read by `bytes` and `offset`, or by `data`.
 */
import type * as Dcache from 'dcache'
import type { CacheHandle } from 'dcache'
import type { Prepare } from '../../harness/lane.js'
import { expectation, placeOf, type Workload } from '../workload.js'

export interface DcacheData {
  readonly workload: Workload
  readonly handle: CacheHandle
  /** What to import: 'dcache', or the URL of a changed copy. */
  readonly engine: string
  readonly reads: 'bytes' | 'data'
}

export const prepare: Prepare<DcacheData> = async ({ workload, handle, engine, reads }, { lane }) => {
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
      sum += guard.bytes[guard.offset + placeOf(block)]!
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
      sum += guard.data[placeOf(block)]!
      guard.release()
    }
    position = at
    return sum
  }

  return { batch: 1024, run: reads === 'bytes' ? byBytes : byData, expected: expectation(sequence) }
}
