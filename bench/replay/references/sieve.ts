/**
 * SIEVE: a queue in which blocks stay where they were inserted, and a hand that goes from the oldest to the newest and evicts the
 * first block that was not used since the hand passed it (Y. Zhang et al., "SIEVE is simpler than LRU: an efficient turn-key
 * eviction algorithm for web caches", NSDI 2024).
 */
import { Lists } from '../lists.js'
import type { MakeSimulator } from '../simulator.js'

export const sieve: MakeSimulator = ({ names }, blocks) => {
  const queue = new Lists(names.length)
  const isVisited = new Uint8Array(names.length)
  /** Where the hand is; undefined: at the oldest block. */
  let hand: number | undefined
  const evict = () => {
    let victim = hand ?? queue.oldest()!
    while (isVisited[victim] === 1) {
      isVisited[victim] = 0
      victim = queue.newerThan(victim) ?? queue.oldest()!
    }
    hand = queue.newerThan(victim)
    queue.remove(victim)
  }
  return {
    access(id) {
      if (queue.has(id)) {
        isVisited[id] = 1
        return true
      }
      if (queue.size() === blocks) evict()
      isVisited[id] = 0
      queue.push(id)
      return false
    },
  }
}
