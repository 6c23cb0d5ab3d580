/**
 * Pending releases: a thread that may not wait for the round mutex pushes its release on a stack, with the block still
 * latched. The current holder of the mutex, or the next one, finishes it. Releases that must not be separated are pushed as one
 * chain, also when the mutex is free (decision D72).
 *
 *   linked      `released` says what to do, and the frames of the chain are linked; nothing is committed
 *   pushed      the chain is on the stack `pending`. The compare-and-swap that put it there is the commit of all of it
 *   settling    the holder of the mutex has taken the stack; `settling` anchors it, so that a death loses no release
 *   settled     the latch has passed to the settler, the release is done, `released` is 0; the settler unlatches
 *
 * After a thread has pushed a release, it must not touch the latch again.
 *
 * Why no cut separates a chain. A cut is made under the mutex, and by `seizeRound` or `lockRound`, which settle first; a thread
 * that steals the mutex finishes what `settling` anchors before that (recovery/repair.ts). So at a cut, either no frame of a
 * chain has its new stamp, or all have. Their stamps have one epoch: all class changes close it before the first stamp, so it
 * does not move between two stamps, also if the settler dies between them and another thread gives the rest.
 */
import { compareExchange, load, store } from '#atomics'
import { handOver } from '../../shared/latch.js'
import type { FrameIndex } from '../../shared/indices.js'
import { type Context, leave, assertLatched } from '../context.js'
import { closeEpochFor, commit, uncommit } from './images.js'
import { closeFullEpoch, hasJournal } from './recorded.js'
import { Frame, Group, Released, State } from '../../shared/words.js'

/** What is left to the holder of the mutex: a class, or Released.UNCHANGED. */
export interface Release {
  readonly frame: FrameIndex
  readonly released: number
}

/** Leaves a release to the holder of the round mutex. @requires the frame's latch, which the settler releases */
export function push(context: Context, group: number, frame: FrameIndex, released: number): void {
  assertLatched(context, frame)
  context.words[context.arena.frameAt(frame) + Frame.released] = released
  pushChain(context, group, frame, frame)
}

/** As `push`, for several releases, 1 or more, at one moment. @requires the latches of the frames, which differ */
export function pushAll(context: Context, group: number, releases: readonly Release[]): void {
  const { words, arena } = context
  let next = 0
  for (const { frame, released } of releases) {
    assertLatched(context, frame)
    const at = arena.frameAt(frame)
    words[at + Frame.released] = next === 0 ? released : released | Released.MORE
    words[at + Frame.pendingNext] = next
    next = frame + 1
  }
  pushChain(context, group, next - 1, releases[0]!.frame)
}

/** Puts a chain of linked frames on the stack. */
function pushChain({ words, arena }: Context, group: number, first: FrameIndex, last: FrameIndex): void {
  const nextAt = arena.frameAt(last) + Frame.pendingNext
  const pendingAt = arena.groupAt(group) + Group.pending
  for (;;) {
    const head = load(words, pendingAt)
    words[nextAt] = head
    if (compareExchange(words, pendingAt, head, first + 1) === head) return
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
  if (hasJournal(context, group)) settleByChains(context, group, frames)
  else {
    // Class changes among them close one epoch for all: after the first, the images of the others are within the bound.
    for (const frame of frames) {
      const writeClass = releasedClass(words[arena.frameAt(frame) + Frame.released]!)
      if (writeClass > 0) closeEpochFor(context, group, frame, writeClass)
    }
    for (const frame of frames) settleOne(context, group, frame)
  }
  words[settlingAt] = 0
  for (const frame of frames) leave(context, frame)
}

/**
 * Finishes releases of a group with a journal. There an epoch may end between two chains, because it is full, and never within one. The
 * oldest come first: a later one may follow from them. Of a chain the frame that was linked first, so that after a death it tells
 * that the chain was begun, and the epoch stays. @requires round mutex
 */
function settleByChains(context: Context, group: number, frames: readonly FrameIndex[]): void {
  const { words, arena } = context
  const releasedOf = (frame: FrameIndex) => words[arena.frameAt(frame) + Frame.released]!
  const isMore = (frame: FrameIndex) => releasedOf(frame) > 0 && (releasedOf(frame) & Released.MORE) !== 0
  for (let last = frames.length - 1; last >= 0;) {
    let first = last
    while (first > 0 && isMore(frames[first - 1]!)) first--
    const chain = frames.slice(first, last + 1).reverse()
    const [begun] = chain
    const isChanging = (load(words, arena.frameAt(begun!) + Frame.state) & State.CHANGING) !== 0
    if (releasedOf(begun!) > 0 && isChanging) closeFullEpoch(context, group, chain.length)
    for (const frame of chain) settleOne(context, group, frame)
    last = first - 1
  }
}

/** The class in `Frame.released`, or Released.UNCHANGED. */
export const releasedClass = (released: number): number =>
  released < 0 ? released : released & ~Released.MORE

/** Finishes one release, except for the latch. @requires round mutex, the frame's latch */
function settleOne(context: Context, group: number, frame: FrameIndex): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  assertLatched(context, frame)
  const at = context.arena.frameAt(frame)
  const released = releasedClass(context.words[at + Frame.released]!)
  // If it is not CHANGING, a settler died here after the commit, and the repair has restored its images.
  if ((load(context.words, at + Frame.state) & State.CHANGING) !== 0) {
    if (released === Released.UNCHANGED) uncommit(context, group, frame)
    else if (released !== 0) commit(context, group, frame, released)
  }
  store(context.words, at + Frame.released, 0)
}
