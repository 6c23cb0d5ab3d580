/**
 * What the policy mutex guards: the free list, the policy's lists and the shares. Each is looked at piece by piece, and walked in one
 * hold of the mutex only if it looks wrong again and again: it is broken, or other threads change it faster than it can be looked at.
 * Then misses wait for the walk, about 0.1 us for each frame.
 */
import type { FrameIndex } from '../../shared/indices.js'
import { PIECE, type Steps } from '../../shared/steps.js'
import { type Context, enter, leave } from '../context.js'
import { loanOf } from '../changes/loans.js'
import { type Check, inOneHold, looksSound, mutexOf } from './check-locks.js'
import { Frame, Header } from '../../shared/words.js'

/** A frame that seemed to be nowhere, and its version at that moment, which moves with each latch. */
export interface Stray {
  readonly frame: FrameIndex
  readonly version: number
}

/** Returns which frames were on the free list at some moment; those that are not by now are rechecked. */
export function* checkFreeList(check: Check): Steps<Uint8Array> {
  const { context, broken } = check
  const { words, arena, policyMutex } = context
  const free = new Uint8Array(arena.geometry.blocks)
  const lock = mutexOf(context, policyMutex)
  if (yield* looksSound(check, lock, () => lookAtFree(context, free))) return free
  yield* inOneHold(check, lock, () => {
    let length = 0
    for (const frame of freeFrames(context)) {
      if (++length > arena.frames) {
        broken.push('F1 the free list is a cycle')
        return
      }
      if (words[arena.frameAt(frame) + Frame.keyHigh] !== 0)
        broken.push(`F1 frame ${frame}: free, but has a key`)
      free[frame] = 1
    }
    if (length !== words[Header.freeCount])
      broken.push(`F2 ${length} frames are free, the count says ${words[Header.freeCount]!}`)
  })
  return free
}

/** The frames of the free list; without end if it is a cycle. @requires policy mutex */
function* freeFrames({ words, arena }: Context): Generator<FrameIndex> {
  let link = words[Header.freeHead]!
  while (link !== 0) {
    yield link - 1
    link = words[arena.frameAt(link - 1) + Frame.policySlot]!
  }
}

/**
 * Whether the free list looks sound; notes its frames in `free`. Frames come and go at its head only, and go only when they are
 * latched, so while the version of a frame on it stays, the list behind that frame does too. @requires policy mutex for each piece
 */
function* lookAtFree({ words, arena }: Context, free: Uint8Array): Steps<boolean> {
  const says = words[Header.freeCount]!
  let length = 0
  for (let link = words[Header.freeHead]!; link !== 0;) {
    const at = arena.frameAt(link - 1)
    if (words[at + Frame.keyHigh] !== 0 || ++length > says) return false
    free[link - 1] = 1
    if (length % PIECE === 0) {
      const version = words[at + Frame.version]
      yield
      if (words[at + Frame.version] !== version) return false
    }
    link = words[at + Frame.policySlot]!
  }
  return length === says
}

export function* checkPolicy(check: Check): Steps<void> {
  const { context, broken } = check
  const lock = mutexOf(context, context.policyMutex)
  for (const part of [context.policy, context.shares]) {
    if (yield* looksSound(check, lock, () => part.look())) continue
    yield* inOneHold(check, lock, () => broken.push(...part.check()))
  }
}

/**
 * Checks frames that had no key, and were found neither in the policy nor, before, on the free list. While a frame's version stays, it
 * does not go onto that list or leave it, so one more walk answers for all of them.
 */
export function* checkStrays(check: Check, strays: readonly Stray[]): Steps<void> {
  if (strays.length === 0) return
  const { context, broken } = check
  const { words, arena, policy, policyMutex } = context
  const lock = mutexOf(context, policyMutex)
  const free = new Uint8Array(arena.geometry.blocks)
  yield* looksSound(check, lock, () => lookAtFree(context, free))
  const left: FrameIndex[] = []
  for (const [i, { frame, version }] of strays.entries()) {
    if (free[frame] === 0 && words[arena.frameAt(frame) + Frame.version] === version) left.push(frame)
    if (i % PIECE === PIECE - 1) yield
  }
  if (left.length === 0) return
  yield* inOneHold(check, lock, () => {
    let steps = 0
    for (const frame of freeFrames(context)) {
      free[frame] = 1
      if (++steps > arena.frames) break
    }
    for (const frame of left) {
      if (free[frame] !== 0 || !enter(context, frame)) continue
      if (isNowhere(context, frame) && !policy.has(frame))
        broken.push(`F1 frame ${frame}: has no key, and is neither free nor in the policy`)
      leave(context, frame)
    }
  })
}

/** Whether a frame has no key, and is not lent. Certain with its latch. */
export const isNowhere = (context: Context, frame: FrameIndex): boolean =>
  context.words[context.arena.frameAt(frame) + Frame.keyHigh] === 0 && loanOf(context, frame) < 0
