/**
 * The pool grows: frames that no thread has touched yet become free frames. Under the policy mutex, like every change of the free
 * list; a thread that looks at all frames without it sees a new frame as one without a key.
 */
import { store } from '#atomics'
import type { Context } from '../context.js'
import { pushFree } from './victims.js'
import { Frame, Header, State } from '../../shared/words.js'

/** Lets blocks use the frames up to `frames`. Called by the owner. @requires policy mutex */
export function growTo(context: Context, frames: number): void {
  context.policyMutex.assertHeld(context.slot.index)
  const { words, arena } = context
  const before = arena.frames
  for (let frame = before; frame < frames; frame++) words[arena.frameAt(frame) + Frame.state] = State.ABSENT
  store(words, Header.frames, frames)
  // The first of them is used first, so that memory is touched in order.
  for (let frame = frames - 1; frame >= before; frame--) pushFree(context, frame)
}
