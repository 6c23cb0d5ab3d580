/**
 * The state word of a frame, and the stamp of an image.
 *
 *   bit 0     ABSENT    the frame has a block's key but not its contents; the next access fills it
 *   bit 1     CHANGING  the holder of the latch may change bytes; the stamp is then that of the undo image
 *   bits 2-4  class     0 clean, else 1 + the index of the class in writeOrder
 *   bit 5     OLDER     the image stands for older ones too, up to the group's bound (core/changes/to-write.ts)
 *   bit 6     TAKEN     a writer has taken the undo image: the change ends under the round mutex (core/changes/alone.ts)
 *   bits 7-31 epoch     of the last release of a change; meaningless while clean
 *
 * Epochs are 25 bits wide and are compared by difference, which is correct while no two live epochs are 2^24 apart. A round
 * makes everything up to its cut durable, so only a fence lets an image grow old. A group whose oldest fence is 2^23 epochs
 * old makes no new cut (fence.ts), and each change of class needs a spare, which stays taken in the meantime.
 */
import { State } from './words.js'

/** The class that is written first; see core/changes/to-write.ts. */
export const FIRST_CLASS = 1

/**
 * The classes of a group with a journal, instead of those of `writeOrder` (core/changes/recorded.ts): what no durable record has, and
 * what is in the journal and not yet in place. Neither is the first, so what holds for the first class only does not hold there.
 */
export const RECORD_CLASS = 2
export const PLACE_CLASS = 3

export const EPOCH_MASK = 0x1ffffff
export const EPOCH_FENCED_MAX = 2 ** 23

export const stampOf = (epoch: number, writeClass: number): number =>
  (epoch << State.EPOCH_SHIFT) | (writeClass << State.CLASS_SHIFT)
export const classOf = (stamp: number): number => (stamp & State.CLASS_MASK) >>> State.CLASS_SHIFT
export const epochOf = (stamp: number): number => stamp >>> State.EPOCH_SHIFT

export const nextEpoch = (epoch: number): number => (epoch + 1) & EPOCH_MASK
export const previousEpoch = (epoch: number): number => (epoch - 1) & EPOCH_MASK
/** By how many epochs `a` is after `b`; negative if it is before. */
export const epochDistance = (a: number, b: number): number =>
  ((a - b) << State.EPOCH_SHIFT) >> State.EPOCH_SHIFT
export const isAfter = (a: number, b: number): boolean => epochDistance(a, b) > 0
/** Whether the stamp is dirty, with an epoch up to `epoch`. */
export const isUnwritten = (stamp: number, epoch: number): boolean =>
  (stamp & State.CLASS_MASK) !== 0 && !isAfter(epochOf(stamp), epoch)
