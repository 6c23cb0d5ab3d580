/**
 * The hash function of block keys.
 */

/** The bucket of a key: the finalizer of MurmurHash3 (Appleby), which also spreads strided block numbers. */
export function hashOf(buckets: number, keyHigh: number, keyLow: number): number {
  let h = keyLow ^ Math.imul(keyHigh, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) & (buckets - 1)
}
