/**
 * The replacement policy: chooses which clean block to evict when a frame is needed. Its state is in the shared buffer
 * (`policySlot`, `used`, `used2` of each frame, the regions `policy` and `ghosts`, words of the header) and changes under the policy
 * mutex. The objects here are one thread's view of it.
 *
 * The policy contains the frames that hold a block, except those that the search for a victim found dirty; write-back
 * readmits them when they are clean. A held frame that the search found stays in the policy.
 */
import type { FrameIndex } from '../../shared/indices.js'
import type { Steps } from '../../shared/steps.js'

/** Whether a frame may be the victim. */
export enum Fit {
  CLEAN,
  /** It has unwritten changes: it leaves the policy. */
  DIRTY,
  /** A thread uses it: it stays in the policy, but is not the victim now. */
  HELD,
}

/** The engine's half of a search for a victim: the policy knows the uses of a frame, but not whether it is free to go. */
export interface Candidates {
  /** A look without a lock: the answer may be stale at once. Any thread may change the frame, except for its block. */
  look(frame: FrameIndex): Fit
  /** As `look`, but a frame that is CLEAN is then latched by this thread, so that the answer holds. */
  take(frame: FrameIndex): Fit
}

/**
 * The most frames that one search for a victim looks at: the policy mutex is held for it, so that no miss waits longer in a larger
 * pool, whatever is held, dirty or hot.
 */
export const LOOKS_MAX = 64

export interface Policy {
  /** Records a hit. On the hit path: takes no lock, allocates nothing, and drops what does not fit. Any thread. */
  note(frame: FrameIndex): void
  /** Whether this thread's recorded hits should be handed in soon. */
  readonly notesDue: boolean
  /** Hands in this thread's recorded hits. @requires policy mutex */
  drain(): void
  /**
   * Inserts a frame that gets a new block, with the block's key (key.ts): a free one, a victim of this policy, or one of
   * another choice. `isAhead`: the block is filled ahead of its first use. @requires policy mutex, the frame is not in the
   * policy
   */
  insert(frame: FrameIndex, keyHigh: number, keyLow: number, isAhead?: boolean): void
  /**
   * One search: takes a victim and removes it from the policy; -1 if the frames that it looked at are dirty or held. Dirty ones that
   * it met have left the policy, and the next search looks at others. The key is that of the block which will get the frame:
   * `insert` follows, with the same key. @requires policy mutex
   */
  victim(candidates: Candidates, keyHigh: number, keyLow: number): FrameIndex
  /** As many searches as look at all frames, so if each of them found none, there is none. @requires policy mutex */
  searches(): number
  /**
   * Reports that the frame's block is evicted, while the frame still has its key. Returns true if the block was filled ahead
   * and never used, as far as the policy can tell. @requires policy mutex
   */
  evicted(frame: FrameIndex): boolean
  /** Inserts a frame again that was removed, with its recorded uses. @requires policy mutex, not in the policy */
  readmit(frame: FrameIndex): void
  /** Removes a frame. @requires policy mutex, in the policy */
  remove(frame: FrameIndex): void
  /** The block was worth keeping before: its next insertion is as if it came back after an eviction. @requires policy mutex */
  expect(keyHigh: number, keyLow: number): void
  /** How bad a frame in the policy is: of two frames the one with the larger number is evicted first. @requires policy mutex */
  rank(frame: FrameIndex): number
  /**
   * Whether the frame's block was used again lately, as far as the policy counts uses. For reports: plain reads without a lock,
   * so the answer may be stale.
   */
  isHot(frame: FrameIndex): boolean
  /** @requires policy mutex */
  has(frame: FrameIndex): boolean
  /** The number of frames in the policy. For tests and the bench. @requires policy mutex */
  size(): number
  /** Empties the policy, even if its state is corrupt; the caller then readmits the frames. @requires policy mutex */
  reset(): void
  /** A line for each violated invariant of the policy, in one go. @requires policy mutex */
  check(): string[]
  /**
   * Looks for violations piece by piece; returns whether it found none. Other threads may use the policy between two pieces,
   * and then it may find what is none: `check` decides. @requires policy mutex for each piece
   */
  look(): Steps<boolean>
}
