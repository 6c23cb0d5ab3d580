/**
 * CLOCK-Pro: LIRS with a clock in place of the stack, so that a hit only sets a bit. Pages are hot or cold. A cold page is on test
 * until it has been in the clock for as long as the oldest hot page; if it is used again before, it becomes hot, also after it was
 * evicted (S. Jiang, F. Chen and X. Zhang, "CLOCK-Pro: an effective improvement of the CLOCK replacement", USENIX 2005).
 *
 * The clock is a list here: the hot hand is at its oldest page, and a page that this hand passes becomes the newest. The cold hand
 * is at the oldest cached cold page, the test hand at the oldest page on test. As in the program of the paper's authors, the cache
 * is first filled with hot pages, and uses of one page in a row count once.
 */
import { Lists } from '../lists.js'
import type { MakeSimulator } from '../simulator.js'

/** The least share of the blocks for cold pages, and their share at first. */
const COLD_LEAST = 0.01

export const clockPro: MakeSimulator = ({ names }, blocks) => {
  const clock = new Lists(names.length)
  /** The cached cold pages and the pages on test, each in the order of the clock. */
  const cold = new Lists(names.length)
  const onTest = new Lists(names.length)
  const isHot = new Uint8Array(names.length)
  const isUsed = new Uint8Array(names.length)
  const coldLeast = Math.max(1, Math.floor(blocks * COLD_LEAST))
  const coldMost = Math.max(coldLeast, blocks - 1)
  let [coldTarget, hots, evicted, last] = [coldLeast, 0, 0, -1]

  /** Ends the test of a page. One that was evicted was not used in time, so cold pages need not be kept for so long. */
  const endTest = (id: number) => {
    if (!onTest.has(id)) return
    onTest.remove(id)
    if (cold.has(id)) return
    clock.remove(id)
    evicted--
    coldTarget = Math.max(coldLeast, coldTarget - 1)
  }
  /** The hot hand passes a cold page. */
  const pass = (id: number) => {
    endTest(id)
    if (!cold.has(id)) return
    clock.push(id)
    cold.push(id)
  }
  /** Runs the hot hand until a hot page became cold, and on to the next hot page. @requires a hot page */
  const runHot = () => {
    for (let isDone = false; !isDone;) {
      const id = clock.oldest()!
      if (isHot[id] === 0) pass(id)
      else {
        clock.push(id)
        isDone = isUsed[id] === 0
        isUsed[id] = 0
        if (!isDone) continue
        isHot[id] = 0
        hots--
        cold.push(id)
      }
    }
    while (hots > 0 && isHot[clock.oldest()!] === 0) pass(clock.oldest()!)
  }
  const makeHot = (id: number) => {
    onTest.remove(id)
    cold.remove(id)
    clock.push(id)
    isHot[id] = 1
    hots++
    while (hots > Math.max(0, blocks - coldTarget)) runHot()
  }
  const makeCold = (id: number) => {
    for (const list of [clock, cold, onTest]) list.push(id)
  }
  /** Runs the cold hand until a page is evicted. */
  const evict = () => {
    for (;;) {
      const id = cold.oldest()
      if (id === undefined) {
        runHot()
      } else if (isUsed[id] === 0) {
        cold.remove(id)
        if (!onTest.has(id)) clock.remove(id)
        else evicted++
        while (evicted > blocks) endTest(onTest.oldest()!)
        return
      } else {
        isUsed[id] = 0
        if (onTest.has(id)) makeHot(id)
        else makeCold(id)
      }
    }
  }
  return {
    access(id) {
      if (id === last) return true
      last = id
      if (isHot[id] === 1 || cold.has(id)) {
        isUsed[id] = 1
        return true
      }
      if (hots + cold.size() === blocks) evict()
      isUsed[id] = 0
      if (onTest.has(id)) {
        evicted--
        coldTarget = Math.min(coldMost, coldTarget + 1)
        makeHot(id)
      } else if (hots + cold.size() < blocks - coldLeast) makeHot(id)
      else makeCold(id)
      return false
    },
  }
}
