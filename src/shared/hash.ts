/**
 * From a block's name to a place in a table.
 */

/** The head of a block's chain among the buckets: the finalizer of MurmurHash3 (Appleby), so that strides spread too. */
export function hashOf(buckets: number, keyHigh: number, keyLow: number): number {
  let h = keyLow ^ Math.imul(keyHigh, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) & (buckets - 1)
}
