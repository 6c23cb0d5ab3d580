/**
 * How a group gets frames of the pool for images, and the pool gets them back (changes/loans.ts). A thread that has to wait for a
 * spare borrows first: it takes the frame of a clean block as a miss does, so a thread that changes the class of many blocks has
 * the part of the pool that it needs, and no fixed share lies idle otherwise.
 */
import type { Slow } from '../../shared/wait.js'
import { type Context, leave } from '../context.js'
import type { Request } from './request.js'
import { evict, giveBackNow } from './frames.js'
import { findForImages } from './find-frame.js'
import { pushFree } from './victims.js'
import { lend, mayBorrow, takeBack } from '../changes/loans.js'
import { lockRound, unlockRound } from '../changes/rounds.js'
import { Frame, Group } from '../../shared/words.js'

/**
 * Borrows a frame for the images of the request's group. Returns whether there is a spare now: not if no frame is clean and free
 * of pins, or the group has borrowed all that it may.
 * @requires that the thread holds no latch @takes policy mutex, a stripe, round mutex, one after the other
 * @throws if the wait for a mutex fails; the frame stays in the pool
 */
export function* borrow(context: Context, request: Request): Slow<boolean> {
  const { words, arena } = context
  const { group } = request.partition
  const { deadline } = request
  if (!mayBorrow(context, group)) return false
  // In the policy under the request's key: if this thread dies before it lends the frame, the frame is a victim.
  const frame = yield* findForImages(context, request)
  if (frame < 0) return false
  if (words[arena.frameAt(frame) + Frame.keyHigh] !== 0) yield* evict(context, frame, deadline)
  try {
    yield* lockRound(context, group, deadline)
  } catch (error) {
    leave(context, frame)
    throw error
  }
  const hasSpare = words[arena.groupAt(group) + Group.spareCount]! > 0
  const isLent = !hasSpare && lend(context, group, frame)
  unlockRound(context, group)
  if (isLent) leave(context, frame)
  else giveBackNow(context, frame)
  return hasSpare || isLent
}

/**
 * Returns up to `most` frames of a group to the pool whose spares are free. Returns how many.
 * @requires policy mutex, round mutex
 */
export function putBack(context: Context, group: number, most: number): number {
  const frames = takeBack(context, group, most)
  for (const frame of frames) {
    if (context.policy.has(frame)) context.policy.remove(frame)
    pushFree(context, frame)
    leave(context, frame) // still under the policy mutex: a thread that looks for a free frame must not find it latched
  }
  return frames.length
}
