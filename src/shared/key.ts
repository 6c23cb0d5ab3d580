/**
 * The key of a block, in two words, as frames contain it:
 *
 *   keyHigh   bits 0-12  partition + 1, 0 no key    bits 13-31  upper bits of the block number
 *   keyLow    its lower 32 bits
 */
import { PARTITIONS_MAX } from './layout.js'

const PARTITION_BITS = 13
const PARTITION_MASK = 2 ** PARTITION_BITS - 1
if (PARTITIONS_MAX > PARTITION_MASK) throw new Error('the keyHigh word has no room for so many partitions')

export const keyLowOf = (block: number): number => block | 0
export const keyHighOf = (partition: number, block: number): number =>
  (partition + 1) | (block < 2 ** 32 ? 0 : Math.floor(block / 2 ** 32) << PARTITION_BITS)

/** The partition in a key, -1 if there is no key. */
export const partitionIn = (keyHigh: number): number => (keyHigh & PARTITION_MASK) - 1
export const blockIn = (keyHigh: number, keyLow: number): number =>
  (keyLow >>> 0) + (keyHigh >>> PARTITION_BITS) * 2 ** 32
