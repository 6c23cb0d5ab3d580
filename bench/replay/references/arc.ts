/**
 * ARC: a list of blocks that were used once lately and one of blocks that were used more often, each with ghosts. A miss on a
 * ghost moves the target size of the first list (N. Megiddo and D. S. Modha, "ARC: a self-tuning, low overhead replacement cache",
 * FAST 2003, figure 4, whose names are used here).
 */
import { Lists } from '../lists.js'
import type { MakeSimulator } from '../simulator.js'

const [T1, T2, B1, B2] = [0, 1, 2, 3]

export const arc: MakeSimulator = ({ names }, c) => {
  const lists = new Lists(names.length, 4)
  const sizeOf = (...some: number[]) => some.reduce((sum, list) => sum + lists.size(list), 0)
  /** The target size of T1. */
  let p = 0

  /** REPLACE of the paper. */
  const evict = (isInB2: boolean) => {
    const size = lists.size(T1)
    const isFirst = size > 0 && (size > p || (isInB2 && size === Math.floor(p)))
    if (isFirst || lists.size(T2) === 0) lists.push(lists.oldest(T1)!, B1)
    else lists.push(lists.oldest(T2)!, B2)
  }
  const insert = (id: number) => {
    if (sizeOf(T1, B1) === c) {
      if (lists.size(T1) < c) {
        lists.shift(B1)
        evict(false)
      } else lists.shift(T1)
    } else if (sizeOf(T1, T2, B1, B2) >= c) {
      if (sizeOf(T1, T2, B1, B2) === 2 * c) lists.shift(B2)
      evict(false)
    }
    lists.push(id, T1)
  }
  return {
    access(id) {
      const list = lists.listOf(id)
      if (list === B1) p = Math.min(c, p + Math.max(1, lists.size(B2) / lists.size(B1)))
      else if (list === B2) p = Math.max(0, p - Math.max(1, lists.size(B1) / lists.size(B2)))
      else if (list !== T1 && list !== T2) {
        insert(id)
        return false
      }
      const isHit = list === T1 || list === T2
      if (!isHit) evict(list === B2)
      lists.push(id, T2)
      return isHit
    },
  }
}
