/**
 * The access patterns of a load. Each pattern numbers the blocks of all partitions consecutively, from 0.
 */
import type { Random } from './random.js'

export type Pattern =
  | { readonly kind: 'uniform' }
  | { readonly kind: 'zipf'; readonly exponent: number }
  | { readonly kind: 'scan' }
  | { readonly kind: 'hot' }

/** In the pattern 'hot', this share of the accesses goes to HOT_BLOCKS blocks. */
export const HOT_SHARE = 0.9
export const HOT_BLOCKS = 16

/** Returns a generator of block numbers from 0 to `blocks - 1` for one thread. */
export function blockSource(
  pattern: Pattern,
  blocks: number,
  random: Random,
  thread: number,
  threads: number,
): () => number {
  switch (pattern.kind) {
    case 'uniform':
      return () => random.below(blocks)
    case 'zipf': {
      const rank = zipf(blocks, pattern.exponent, random)
      const scatter = scattered(blocks)
      return () => scatter(rank())
    }
    case 'scan': {
      // Every thread walks through all blocks. Their starting points are evenly spread.
      let next = Math.floor((blocks * thread) / threads)
      return () => {
        const block = next
        next = (next + 1) % blocks
        return block
      }
    }
    case 'hot': {
      const scatter = scattered(blocks)
      const hot = Math.min(HOT_BLOCKS, blocks)
      return () => (random.unit() < HOT_SHARE ? scatter(random.below(hot)) : random.below(blocks))
    }
  }
}

/**
 * Ranks from 0 to `count - 1`, rank r with a probability in proportion to 1 / (r + 1)^exponent. Rejection-inversion:
 * W. Hoermann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions",
 * ACM TOMACS 6 (1996). It needs no table, for any count.
 */
export function zipf(count: number, exponent: number, random: Random): () => number {
  const q = 1 - exponent
  // The integral of x^-exponent and its inverse; both turn into logarithms where the exponent is 1.
  const integral = (x: number) => (Math.abs(q) < 1e-8 ? Math.log(x) : Math.expm1(q * Math.log(x)) / q)
  const inverse = (y: number) =>
    Math.abs(q) < 1e-8 ? Math.exp(y) : Math.exp(Math.log1p(Math.max(-1, q * y)) / q)
  const density = (x: number) => Math.exp(-exponent * Math.log(x))
  const first = integral(1.5) - 1
  const last = integral(count + 0.5)
  const sure = 2 - inverse(integral(2.5) - density(2))
  return () => {
    for (;;) {
      const y = last + random.unit() * (first - last)
      const x = inverse(y)
      const k = Math.min(Math.max(Math.round(x), 1), count)
      if (k - x <= sure || y >= integral(k + 0.5) - density(k)) return k - 1
    }
  }
}

/** A permutation of 0 .. count - 1 that moves neighbours far apart, so that popular blocks are not adjacent. */
export function scattered(count: number): (index: number) => number {
  // Multiplying by a factor coprime to the count permutes. A factor near the golden section spreads evenly. The limit
  // keeps the product exact.
  let factor = Math.max(1, Math.floor(Math.min(count * 0.6180339887, Number.MAX_SAFE_INTEGER / count)))
  while (commonDivisor(factor, count) !== 1) factor++
  return (index) => (index * factor) % count
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b)
}
