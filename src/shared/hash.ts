/**
 * From a block's name to a place in a table.
 */

/** The head of a block's chain among the heads: the finalizer of MurmurHash3 (Appleby), so that strides spread too. */
export function hashOf(heads: number, place: number, low: number): number {
  let h = low ^ Math.imul(place, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) & (heads - 1)
}
