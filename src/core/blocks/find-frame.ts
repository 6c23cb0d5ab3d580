/**
 * The search for a frame by a thread that may wait for the policy mutex: one hold of it after the other, each for one search
 * (victims.ts), until a frame is found or all were looked at. So what other threads wait for at the mutex does not grow with the
 * number of frames that are held or dirty. What is looked at leaves the policy if it is dirty, and goes to the end if it is held,
 * so each search looks at other frames; frames that become free behind it signal `freed`.
 */
import type { FrameIndex } from '../../shared/indices.js'
import { PIECE } from '../../shared/steps.js'
import type { Deadline, Slow } from '../../shared/wait.js'
import type { Context } from '../context.js'
import { waitForMutex } from '../wait/wait-graph.js'
import type { Request } from './request.js'
import { chooseForImages, chooseFrame, readmitStray, searchesFor } from './victims.js'

/** A frame for a block, as `chooseFrame` returns it; -1 if all that it may get are held or dirty. @takes policy mutex */
export function* findFrame(context: Context, request: Request): Slow<FrameIndex> {
  const { partition, keyHigh, keyLow, deadline } = request
  const choose = (): FrameIndex => chooseFrame(context, keyHigh, keyLow)
  const frame = yield* findAny(context, request, choose)
  // Without the mutex: strays are no frames of the partition, so the worst is a look in vain.
  if (frame >= 0 || context.shares.isFull(partition.index)) return frame
  return (yield* readmitAll(context, deadline)) ? yield* findAny(context, request, choose) : -1
}

/** A frame for images, as `chooseForImages` returns it; -1 if all are held or dirty. @takes policy mutex */
export function findForImages(context: Context, request: Request): Slow<FrameIndex> {
  return findAny(context, request, () => chooseForImages(context, request.keyHigh, request.keyLow))
}

function* findAny(
  context: Context,
  { partition, deadline }: Request,
  choose: () => FrameIndex,
): Slow<FrameIndex> {
  let most = 0
  for (let searches = 1; ; searches++) {
    yield* lockPolicy(context, deadline)
    // The most so far: the policy gets smaller by the dirty frames that the searches meet.
    most = Math.max(most, searchesFor(context, partition.index))
    const frame = choose()
    context.policyMutex.unlock()
    if (frame >= 0 || searches >= most) return frame
  }
}

/** As `readmitStray`, piece by piece. */
function* readmitAll(context: Context, deadline: Deadline): Slow<boolean> {
  let found = false
  for (let first = 0; first < context.arena.frames; first += PIECE) {
    yield* lockPolicy(context, deadline)
    if (readmitStray(context, first, PIECE)) found = true
    context.policyMutex.unlock()
  }
  return found
}

function* lockPolicy(context: Context, deadline: Deadline): Slow<void> {
  const { policyMutex, slot } = context
  if (!policyMutex.tryLock(slot.index)) yield* waitForMutex(context, policyMutex, deadline)
}
