/**
 * LIRS: blocks whose last two uses were close to each other (LIR) stay, the others (HIR) pass through a queue of 1 % of the blocks.
 * A stack of recent uses, which also has blocks that were evicted, tells which is which (S. Jiang and X. Zhang, "LIRS: an efficient
 * low inter-reference recency set replacement policy to improve buffer cache performance", SIGMETRICS 2002).
 *
 * As in the program of the paper's authors, uses of one block in a row count once, and the stack can be limited.
 */
import { Lists } from '../lists.js'
import type { MakeSimulator } from '../simulator.js'

const HIR_SHARE = 0.01
const HIR_LEAST = 2
/** The stack's limit, in blocks for each block of the cache. The authors name 3 as an example; the paper has no limit. */
const STACK_MOST = 3

/** LIRS with a stack of up to this many times the blocks of the cache. */
export const lirsWith =
  (stackMost: number): MakeSimulator =>
  ({ names }, blocks) => {
    const hirMost = Math.max(1, Math.min(blocks - 1, Math.max(HIR_LEAST, Math.floor(blocks * HIR_SHARE))))
    const stack = new Lists(names.length)
    /** The HIR blocks of the stack in the same order, cached or not, to find the oldest. */
    const hirInStack = new Lists(names.length)
    /** The cached HIR blocks; the oldest is the next victim. */
    const queue = new Lists(names.length)
    const isLir = new Uint8Array(names.length)
    let [lirs, last] = [0, -1]

    const leaveStack = (id: number) => {
      stack.remove(id)
      hirInStack.remove(id)
    }
    /** The oldest of the stack is always a LIR block. */
    const prune = () => {
      for (let id = stack.oldest(); id !== undefined && isLir[id] === 0; id = stack.oldest()) leaveStack(id)
    }
    const demoteOldest = () => {
      prune()
      const id = stack.shift()
      isLir[id] = 0
      lirs--
      queue.push(id)
      prune()
    }
    return {
      access(id) {
        if (id === last) return true
        last = id
        const isHit = isLir[id] === 1 || queue.has(id)
        if (!isHit && lirs + queue.size() === blocks) {
          if (queue.size() === 0) demoteOldest()
          queue.shift()
        } else if (!isHit && lirs + queue.size() < blocks - hirMost) {
          isLir[id] = 1
          lirs++
        }
        const wasInStack = stack.has(id)
        leaveStack(id)
        queue.remove(id)
        if (isLir[id] === 1 && wasInStack) prune()
        stack.push(id)
        if (isLir[id] === 0 && wasInStack) {
          isLir[id] = 1
          lirs++
          if (lirs > blocks - hirMost) demoteOldest()
        } else if (isLir[id] === 0) {
          queue.push(id)
          hirInStack.push(id)
        }
        if (stack.size() > stackMost * blocks && hirInStack.size() > 0) leaveStack(hirInStack.oldest()!)
        return isHit
      },
    }
  }

export const lirs = lirsWith(STACK_MOST)
