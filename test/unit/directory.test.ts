// The directory: chains stay short whatever the block numbers are, and hold what was hung in.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hashOf } from '#dist/shared/hash.js'
import { keyLowOf, keyHighOf } from '#dist/shared/key.js'
import {
  chain,
  find,
  findUnderStripe,
  bucketOf,
  stripeOf,
  unchain,
  WALK_MAX,
} from '#dist/core/blocks/directory.js'
import { enter, leave } from '#dist/core/context.js'
import { smallArena, smallContext } from '../support/small-context.js'
import { Frame } from '#dist/shared/words.js'

/** A sequence of blocks, from a number: [partition, block]. */
type Blocks = (i: number) => readonly [number, number]

let seed = 1
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}
const patterns: Record<string, Blocks> = {
  sequential: (i) => [0, i],
  'sequential from high up': (i) => [0, 2 ** 40 + i],
  'every 2nd': (i) => [0, 2 * i],
  'every 8th': (i) => [0, 8 * i],
  'every 127th': (i) => [0, 127 * i],
  'every 4096th': (i) => [0, 4096 * i],
  'every 2^20th': (i) => [0, 2 ** 20 * i],
  'every 2^32nd': (i) => [0, 2 ** 32 * (i % 2 ** 20) + Math.floor(i / 2 ** 20)],
  'the same of 64 partitions': (i) => [i % 64, Math.floor(i / 64)],
  'the same of 3 partitions, every 16th': (i) => [i % 3, 16 * Math.floor(i / 3)],
  random: () => [0, Math.floor(random() * 2 ** 30)],
  'random, of a huge partition': () => [1, Math.floor(random() * 2 ** 45)],
}

test('chains stay short at every size and for every order of block numbers', () => {
  let longestOfAll = 0
  for (let blocks = 512; blocks <= 131_072; blocks *= 4) {
    for (const [name, blockOf] of Object.entries(patterns)) {
      const lengths = new Uint16Array(blocks)
      for (let i = 0; i < blocks; i++) {
        const [partition, block] = blockOf(i)
        const bucket = hashOf(blocks, keyHighOf(partition, block), keyLowOf(block))
        assert.ok(bucket >= 0 && bucket < blocks)
        lengths[bucket]!++
      }
      const longest = lengths.reduce((a, b) => Math.max(a, b))
      // Steps to find each block once; a perfect spread has 1, a random one 1.5.
      const steps = lengths.reduce((sum, length) => sum + (length * (length + 1)) / 2, 0) / blocks
      longestOfAll = Math.max(longestOfAll, longest)
      assert.ok(steps < 2.5, `${name}, ${blocks} blocks: ${steps} steps a lookup`)
      assert.ok(longest <= WALK_MAX / 2, `${name}, ${blocks} blocks: a chain of ${longest}`)
    }
  }
  console.log(`\n# the longest chain has ${longestOfAll} blocks`)
})

test('what is hung in is found, what is taken out is not', () => {
  const partitions = { a: { path: 'a', blockSize: 512 }, b: { path: 'b', blockSize: 512 } }
  const numbers = [
    0,
    1,
    2,
    3,
    64,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 32 + 1,
    5 * 2 ** 32,
    2 ** 50,
  ]
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1), fc.constantFrom(...numbers)), { maxLength: 200 }), (names) => {
      const context = smallContext(smallArena({ partitions }))
      const { buckets, blocks } = context.arena.geometry
      const frames = new Map<string, number>()
      const free = Array.from({ length: blocks }, (_, frame) => frame)
      for (const [partition, block] of names) {
        const [keyHigh, keyLow] = [keyHighOf(partition, block), keyLowOf(block)]
        const bucket = hashOf(buckets, keyHigh, keyLow)
        const name = `${partition} ${block}`
        const known = frames.get(name)
        assert.is(find(context, keyHigh, keyLow), known ?? -1, name)
        const stripe = stripeOf(context, bucket)
        assert.ok(stripe.tryLock(context.slot.index))
        assert.is(findUnderStripe(context, bucket, keyHigh, keyLow), known ?? -1, name)
        if (known === undefined) {
          const frame = free.pop()!
          assert.ok(enter(context, frame))
          chain(context, frame, bucket, keyHigh, keyLow)
          leave(context, frame)
          frames.set(name, frame)
          assert.is(bucketOf(context, frame), bucket)
        } else {
          assert.ok(enter(context, known))
          unchain(context, known)
          leave(context, known)
          assert.is(context.words[context.arena.frameAt(known) + Frame.keyHigh], 0)
          frames.delete(name)
          free.push(known)
        }
        stripe.unlock()
      }
    }),
    { numRuns: 100 },
  )
})

test('a walk without the stripe is bounded', () => {
  const context = smallContext(smallArena())
  const bucket = hashOf(context.arena.geometry.buckets, keyHighOf(0, 7), 7)
  // A chain that leads round in circles, as a walk may see it while frames move.
  context.words[context.arena.bucketsAt + bucket] = 1
  context.words[context.arena.frameAt(0) + Frame.next] = 2
  context.words[context.arena.frameAt(1) + Frame.next] = 1
  assert.is(find(context, keyHighOf(0, 7), 7), -1)
})

test.run()
