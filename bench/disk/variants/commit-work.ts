/**
 * What the variants of a commit share.
 */
import type { Task } from '../../harness/task.js'

export interface CommitWork {
  readonly path: string
  /** Each lane writes its own blocks, one with each commit. */
  readonly blocksOfLane: number
  /** Time between two commits of a lane, which is not timed. */
  readonly pauseMs: number
  /** The number that each block must have at the end; 0: never written. */
  readonly wanted: Int32Array<SharedArrayBuffer>
}

/** The hook that makes the pauses. */
export function pauseOf({ pauseMs }: CommitWork): Pick<Task, 'between'> {
  if (pauseMs === 0) return {}
  const word = new Int32Array(new SharedArrayBuffer(4))
  const between = () => {
    Atomics.wait(word, 0, 0, pauseMs)
  }
  return { between }
}
