/**
 * The policy interface: which clean block to give up when a frame is needed. A policy's state stands in the shared
 * buffer (`policySlot`, `used`, `used2` of each frame, the heap region, the header's words) and changes under the policy
 * mutex; the objects here are one thread's view of it.
 *
 * In the policy are the frames that hold a block, but for those that the search found dirty: write-back readmits them
 * when they are clean. A frame that somebody holds stays in, as just used.
 */
import type { FrameIndex } from '../../shared/indices.js'

export interface Policy {
  /** Notes a hit. On the hit path: no lock, no allocation; what does not fit is lost. Any thread, no contract. */
  note(frame: FrameIndex): void
  /** Whether the notes should be handed in soon. */
  readonly notesDue: boolean
  /** Hands this thread's notes in. @requires policy mutex */
  drain(): void
  /**
   * A frame gets a new block, whose name is given (key.ts). `isAhead`: nobody has asked for it yet, its first use is to
   * come. @requires policy mutex, the frame is not in the policy
   */
  insert(frame: FrameIndex, keyHigh: number, keyLow: number, isAhead?: boolean): void
  /** Takes the best victim out; -1 when none is left. @requires policy mutex */
  victim(): FrameIndex
  /** Counts a victim that somebody holds as just used, and takes it back. @requires policy mutex */
  renew(frame: FrameIndex): void
  /**
   * The frame's block, whose name it still has, is given up: last word before it gets another. True if it came ahead, and
   * nobody ever asked for it, where the policy can tell. @requires policy mutex
   */
  evicted(frame: FrameIndex): boolean
  /** Takes a frame back that was out, its uses as they were. @requires policy mutex, not in the policy */
  readmit(frame: FrameIndex): void
  /** @requires policy mutex, in the policy */
  remove(frame: FrameIndex): void
  /** @requires policy mutex */
  has(frame: FrameIndex): boolean
  /** How many are in. @requires policy mutex */
  size(): number
  /** Empties it, whatever state it is in: the frames are readmitted after it. @requires policy mutex */
  reset(): void
  /** Every broken invariant of the policy, by name. @requires policy mutex */
  check(): string[]
}
