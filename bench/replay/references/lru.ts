/**
 * Plain LRU: the victim is the block whose last use is the longest ago. The yardstick of the other policies.
 */
import { Lists } from '../lists.js'
import type { MakeSimulator } from '../simulator.js'

export const lru: MakeSimulator = ({ names }, blocks) => {
  const cached = new Lists(names.length)
  return {
    access(id) {
      const isHit = cached.has(id)
      if (!isHit && cached.size() === blocks) cached.shift()
      cached.push(id)
      return isHit
    },
  }
}
