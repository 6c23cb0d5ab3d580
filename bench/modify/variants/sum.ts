/**
 * What the changes of a lane add up to.
 */
import { byteOf } from '../../hit/workload.js'

/** For `Task.expected`: the sums of the first bytes of blocks that are changed in turn, each time by one. */
export const changeSum =
  (first: number, blocks: number) =>
  (from: number, count: number): number => {
    let sum = 0
    for (let i = from; i < from + count; i++)
      sum += (byteOf(first + (i % blocks), 0) + Math.floor(i / blocks)) & 255
    return sum | 0
  }
