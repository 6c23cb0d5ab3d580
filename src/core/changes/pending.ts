/**
 * Pending releases: a thread that may not wait for the round mutex pushes its release on a stack, with the block still
 * latched. The current holder of the mutex, or the next one, finishes it.
 *
 *   pushed      `released` says what to do (this is the commit), and the frame is on the stack `pending`
 *   settling    the holder of the mutex has taken the stack; `settling` anchors it, so that a death loses no release
 *   settled     the latch has passed to the settler, the release is done, `released` is 0; the settler unlatches
 *
 * After a thread has pushed a release, it must not touch the latch again.
 */
import { compareExchange, load, store } from '#atomics'
import { handOver } from '../../shared/latch.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Context, leave, assertLatched } from '../context.js'
import { closeEpochFor, commit, uncommit } from './images.js'
import { Frame, Group, Released, State } from '../../shared/words.js'

/** Leaves a release to the holder of the round mutex. @requires the frame's latch, which the settler releases */
export function push(context: Context, group: number, frame: FrameIndex, released: number): void {
  assertLatched(context, frame)
  const { words, arena } = context
  const at = arena.frameAt(frame)
  const pendingAt = arena.groupAt(group) + Group.pending
  words[at + Frame.released] = released
  for (;;) {
    const head = load(words, pendingAt)
    words[at + Frame.pendingNext] = head
    if (compareExchange(words, pendingAt, head, frame + 1) === head) return
  }
}

/** Finishes all pending releases. @requires round mutex */
export function settle(context: Context, group: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  for (;;) {
    const head = load(words, at + Group.pending)
    if (head === 0) return
    words[at + Group.settling] = head
    if (compareExchange(words, at + Group.pending, head, 0) === head) settleChain(context, group)
  }
}

/** Finishes the releases that `settling` anchors. @requires round mutex */
export function settleChain(context: Context, group: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const settlingAt = arena.groupAt(group) + Group.settling
  const frames: FrameIndex[] = []
  for (
    let link = words[settlingAt]!;
    link !== 0;
    link = words[arena.frameAt(link - 1) + Frame.pendingNext]!
  ) {
    frames.push(link - 1)
  }
  for (const frame of frames) handOver(words, arena.frameAt(frame) + Frame.latch, context.slot.index)
  // Class changes among them close one epoch for all: after the first, the images of the others are within the bound.
  for (const frame of frames) {
    const writeClass = words[arena.frameAt(frame) + Frame.released]!
    if (writeClass > 0) closeEpochFor(context, group, frame, writeClass)
  }
  for (const frame of frames) settleOne(context, group, frame)
  words[settlingAt] = 0
  for (const frame of frames) leave(context, frame)
}

/** Finishes one release, except for the latch. @requires round mutex, the frame's latch */
export function settleOne(context: Context, group: number, frame: FrameIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  assertLatched(context, frame)
  const at = context.arena.frameAt(frame)
  const released = context.words[at + Frame.released]!
  // If it is not CHANGING, a settler died here after the commit, and the repair has restored its images.
  if ((load(context.words, at + Frame.state) & State.CHANGING) !== 0) {
    if (released === Released.UNCHANGED) uncommit(context, group, frame)
    else if (released !== 0) commit(context, group, frame, released)
  }
  store(context.words, at + Frame.released, 0)
}
