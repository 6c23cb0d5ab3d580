/**
 * 2Q: new blocks pass through a FIFO, and only a block that returns from the ghosts enters the main part (T. Johnson and D. Shasha,
 * "2Q: a low overhead high performance buffer management replacement algorithm", VLDB 1994). There are as many ghosts as blocks.
 *
 * Unlike in the paper the main part is a CLOCK with counters from 0 to 3, not an LRU list, and a block has one use at most in a period,
 * which is as many insertions as a 64th of the blocks. This is the variant that was a policy of the engine (decision D25).
 */
import { Lists } from '../lists.js'
import type { MakeSimulator } from '../simulator.js'

const [FIFO, MAIN, GHOST] = [0, 1, 2]
/** The FIFO loses a block while it has more than this share of the blocks. */
const FIFO_SHARE = 0.1
const USES_MOST = 3
/** Log2 of the number of periods in which as many blocks are inserted as there are in the cache. */
const PERIODS = 6

export const twoQueues: MakeSimulator = ({ names }, blocks) => {
  const lists = new Lists(names.length, 3)
  const uses = new Uint8Array(names.length)
  /** In which period a block was inserted or its last use was counted. */
  const counted = new Uint32Array(names.length)
  const fifoMost = Math.floor(blocks * FIFO_SHARE)
  const shift = Math.max(0, Math.floor(Math.log2(blocks)) - PERIODS)
  let insertions = 0

  const evictMain = () => {
    for (;;) {
      const id = lists.shift(MAIN)
      if (uses[id] === 0) return
      uses[id]!--
      lists.push(id, MAIN)
    }
  }
  const evict = () => {
    if (lists.size(FIFO) <= fifoMost && lists.size(MAIN) > 0) {
      evictMain()
      return
    }
    if (lists.size(GHOST) === blocks) lists.shift(GHOST)
    lists.push(lists.oldest(FIFO)!, GHOST)
  }
  return {
    access(id) {
      const list = lists.listOf(id)
      const isHit = list === FIFO || list === MAIN
      if (isHit && counted[id] === insertions >> shift) return true
      if (isHit) uses[id] = Math.min(USES_MOST, uses[id]! + 1)
      else {
        if (lists.size(FIFO) + lists.size(MAIN) === blocks) evict()
        // The eviction may have dropped the ghost of this block.
        lists.push(id, lists.listOf(id) === GHOST ? MAIN : FIFO)
        uses[id] = 0
        insertions++
      }
      counted[id] = insertions >> shift
      return isHit
    },
  }
}
