/**
 * From a block's name to a place in a table.
 */

/** Place of a block's head among the heads: the finalizer of MurmurHash3 (Appleby), so that strides spread too. */
export function hashOf(heads: number, partition: number, low: number, high: number): number {
  let h = low ^ Math.imul(high + 1, 0x9e3779b1) ^ Math.imul(partition + 1, 0x27d4eb2f)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) & (heads - 1)
}
