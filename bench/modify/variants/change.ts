/**
 * A change of a block: acquire to modify, change a byte, mark dirty, release. Each lane changes its own blocks in turn.
 * Each byte counts its changes, so that a lost change is detected.
 */
import type * as Dcache from 'dcache'
import type { CacheHandle } from 'dcache'
import type { Prepare } from '../../harness/task.js'
import { changeSum } from './sum.js'

export interface ChangeData {
  readonly handle: CacheHandle
  /** What to import: 'dcache', or the URL of a changed copy. */
  readonly engine: string
  readonly blocksOfLane: number
  /** Length of the declared range in bytes; undefined: the whole block. */
  readonly rangeBytes: number | undefined
  /** clean: a batch changes each block once, and the blocks are written after it. dirty: they stay dirty. */
  readonly blocks: 'clean' | 'dirty'
}

export const prepare: Prepare<ChangeData> = async (data, { lane }) => {
  const { handle, engine, blocksOfLane, rangeBytes, blocks } = data
  const { attachCache } = (await import(engine)) as typeof Dcache
  const client = attachCache(handle)
  const partition = client.partition('main')
  const first = lane * blocksOfLane
  const options = rangeBytes === undefined ? undefined : { start: 0, length: rangeBytes }
  let position = 0

  /** The sum of the bytes before each change. */
  const run = (count: number): number => {
    let sum = 0
    for (let i = 0; i < count; i++) {
      const guard = partition.acquireSync(first + position, 'modify', options)
      const { bytes, offset } = guard
      const byte = bytes[offset]!
      sum += byte
      bytes[offset] = byte + 1
      guard.markDirty()
      guard.release()
      position = position + 1 === blocksOfLane ? 0 : position + 1
    }
    return sum
  }

  const expected = changeSum(first, blocksOfLane)

  return blocks === 'dirty'
    ? { batch: 256, run, expected }
    : {
        batch: blocksOfLane,
        run,
        expected,
        between: () => {
          client.flushSync()
        },
      }
}
