/**
 * S3-FIFO: a small queue for new blocks, a main queue for those that were used more than once in it or that came back soon, and a
 * ghost queue of names (J. Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023, algorithm 1).
 */
import { Lists } from '../lists.js'
import type { MakeSimulator } from '../simulator.js'

const [SMALL, MAIN, GHOST] = [0, 1, 2]
/** The small queue's share of the blocks. The ghost queue has as many names as the main queue has blocks. */
const SMALL_SHARE = 0.1
const USES_MOST = 3

export const s3Fifo: MakeSimulator = ({ names }, blocks) => {
  const queues = new Lists(names.length, 3)
  const uses = new Uint8Array(names.length)
  const smallMost = Math.max(1, Math.floor(blocks * SMALL_SHARE))
  const mainMost = blocks - smallMost

  const evictMain = () => {
    for (;;) {
      const id = queues.shift(MAIN)
      if (uses[id] === 0) return
      uses[id]!--
      queues.push(id, MAIN)
    }
  }
  /** Evicts a block of the small queue, or one of the main queue if the small queue had none that was used too little. */
  const evictSmall = () => {
    while (queues.size(SMALL) > 0) {
      const id = queues.shift(SMALL)
      if (uses[id]! > 1) {
        uses[id] = 0
        queues.push(id, MAIN)
        if (queues.size(MAIN) > mainMost) break
      } else {
        if (queues.size(GHOST) >= Math.max(1, mainMost)) queues.shift(GHOST)
        queues.push(id, GHOST)
        return
      }
    }
    evictMain()
  }
  return {
    access(id) {
      const queue = queues.listOf(id)
      if (queue === SMALL || queue === MAIN) {
        if (uses[id]! < USES_MOST) uses[id]!++
        return true
      }
      if (queues.size(SMALL) + queues.size(MAIN) === blocks) {
        if (queues.size(SMALL) >= smallMost || queues.size(MAIN) === 0) evictSmall()
        else evictMain()
      }
      uses[id] = 0
      queues.push(id, queues.listOf(id) === GHOST ? MAIN : SMALL)
      return false
    },
  }
}
