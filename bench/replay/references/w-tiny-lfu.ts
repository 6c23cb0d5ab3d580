/**
 * W-TinyLFU: new blocks enter a small LRU, the window. What falls out of it is admitted to the main part only if it was used more
 * often lately than the main part's victim. The main part is a segmented LRU: blocks are on probation until they are used again
 * (G. Einziger, R. Friedman and B. Manes, "TinyLFU: a highly efficient cache admission policy", ACM Transactions on Storage 13,
 * 2017).
 *
 * Ties go to the victim, as in the paper; nothing is random.
 */
import { Lists } from '../lists.js'
import type { MakeSimulator } from '../simulator.js'
import { FrequencySketch } from './frequency-sketch.js'

const [WINDOW, PROBATION, PROTECTED] = [0, 1, 2]
const PROTECTED_SHARE = 0.8

/** Uses for each block of the cache before the counts are halved. */
const SAMPLE = 10

/** W-TinyLFU whose window has this share of the blocks, at least one. `sampleOf` returns the sample of a cache's size. */
export const wTinyLfu =
  (windowShare: number, sampleOf = (blocks: number) => SAMPLE * blocks): MakeSimulator =>
  ({ names }, blocks) => {
    const windowMost = Math.max(1, Math.round(blocks * windowShare))
    const protectedMost = Math.floor((blocks - windowMost) * PROTECTED_SHARE)
    const parts = new Lists(names.length, 3)
    const sketch = new FrequencySketch(blocks, sampleOf(blocks))
    const size = () => parts.size(WINDOW) + parts.size(PROBATION) + parts.size(PROTECTED)

    const useMain = (id: number) => {
      parts.push(id, PROTECTED)
      if (parts.size(PROTECTED) > protectedMost) parts.push(parts.oldest(PROTECTED)!, PROBATION)
    }
    const insert = (id: number) => {
      parts.push(id, WINDOW)
      if (parts.size(WINDOW) <= windowMost) return
      const candidate = parts.shift(WINDOW)
      if (size() === blocks) {
        const victim = parts.oldest(PROBATION) ?? parts.oldest(PROTECTED)
        if (victim === undefined || sketch.estimate(candidate) <= sketch.estimate(victim)) return
        parts.remove(victim)
      }
      parts.push(candidate, PROBATION)
    }
    return {
      access(id) {
        sketch.count(id)
        const part = parts.listOf(id)
        if (part === WINDOW) parts.push(id, WINDOW)
        else if (part === PROBATION || part === PROTECTED) useMain(id)
        else {
          insert(id)
          return false
        }
        return true
      },
    }
  }
