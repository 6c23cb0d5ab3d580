/**
 * The search for a victim by policies that have an order of their frames: the next one, and the next one after it, until one
 * may go. A dirty frame costs the search one step and stays out of the policy, so that it costs the next search nothing.
 */
import type { FrameIndex } from '../../shared/indices.js'
import { type Candidates, Fit } from './policy.js'

/**
 * `next` removes the frame that should go next, and returns -1 if there is none. Held frames are put back with `renew` after
 * the search; else it would find the same ones again and never the others. It looks at `most` frames. @requires policy mutex
 */
export function inOrder(
  candidates: Candidates,
  next: () => FrameIndex,
  renew: (frame: FrameIndex) => void,
  most: number,
): FrameIndex {
  const held: FrameIndex[] = []
  let victim = -1
  for (let left = most; left > 0 && victim < 0; left--) {
    const frame = next()
    if (frame < 0) break
    const fit = candidates.take(frame)
    if (fit === Fit.CLEAN) victim = frame
    else if (fit === Fit.HELD) held.push(frame)
  }
  for (const other of held) renew(other)
  return victim
}
