/**
 * One block of a cache that all lanes access. Some lanes read it, the others change it, and each holds its guard for a
 * while. A lane never pauses between two guards.
 */
import { attachCache, type CacheHandle, type Mode } from 'dcache'
import type { Prepare } from '../../harness/task.js'

export interface OneBlockData {
  readonly handle: CacheHandle
  /** The lanes that read. All other lanes change the block. */
  readonly readers: 'all but the first' | 'first' | 'none'
  /** How long a guard is held, in milliseconds. 0: released at once. */
  readonly holdMs: number
}

const nothing = new Int32Array(new SharedArrayBuffer(4))

export const prepare: Prepare<OneBlockData> = ({ handle, readers, holdMs }, { lane }) => {
  const partition = attachCache(handle).partition('main')
  const isReader = readers !== 'none' && (lane === 0) === (readers === 'first')
  const mode: Mode = isReader ? 'read' : 'modify'
  const run = (count: number): number => {
    for (let i = 0; i < count; i++) {
      const guard = partition.acquireSync(0, mode)
      if (holdMs > 0) Atomics.wait(nothing, 0, 0, holdMs)
      if (!isReader) {
        guard.bytes[guard.offset]!++
        guard.markDirty()
      }
      guard.release()
    }
    return isReader ? 0 : count
  }
  return { batch: holdMs > 0 ? 1 : 64, run }
}
