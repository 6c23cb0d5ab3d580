/**
 * The first lane changes blocks of its own in turn. The second one sleeps, and then changes one block, each time in
 * another write class.
 */
import { attachCache } from 'dcache'
import type { Prepare } from '../../harness/task.js'
import { type ChangeData, prepare as prepareChange } from './change.js'

export interface FlipData {
  readonly change: ChangeData
  readonly block: number
  readonly classes: readonly string[]
  readonly pauseMs: number
}

export const prepare: Prepare<FlipData> = async ({ change, block, classes, pauseMs }, info) => {
  const client = attachCache(change.handle)
  if (info.lane === 0) {
    const task = await prepareChange(change, info)
    // What the slice before has left is not written during this one.
    const begin = () => {
      client.flushSync()
    }
    return { ...task, begin }
  }
  const partition = client.partition('main')
  const word = new Int32Array(new SharedArrayBuffer(4))
  let time = 0
  return {
    batch: 1,
    run() {
      Atomics.wait(word, 0, 0, pauseMs)
      const guard = partition.acquireSync(block, 'modify')
      guard.bytes[guard.offset]! += 1
      guard.markDirty(classes[time++ % classes.length])
      guard.release()
      return 1
    },
    expected: (_, count) => count,
  }
}
