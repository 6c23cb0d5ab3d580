// The directory: a lookup finds each block in its hash chain, and chains stay short whatever the block numbers are.

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
import { blockBytes, copyOf, withCache } from '../support/open.js'
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
  'sequential from 2^40': (i) => [0, 2 ** 40 + i],
  'every 2nd': (i) => [0, 2 * i],
  'every 8th': (i) => [0, 8 * i],
  'every 127th': (i) => [0, 127 * i],
  'every 4096th': (i) => [0, 4096 * i],
  'every 2^20th': (i) => [0, 2 ** 20 * i],
  'every 2^32nd': (i) => [0, 2 ** 32 * (i % 2 ** 20) + Math.floor(i / 2 ** 20)],
  'the same numbers in 64 partitions': (i) => [i % 64, Math.floor(i / 64)],
  'every 16th, the same in 3 partitions': (i) => [i % 3, 16 * Math.floor(i / 3)],
  random: () => [0, Math.floor(random() * 2 ** 30)],
  'random in a huge partition': () => [1, Math.floor(random() * 2 ** 45)],
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
      // The steps to find each block once, per block: 1 for a perfect spread, 1.5 for a random one.
      const steps = lengths.reduce((sum, length) => sum + (length * (length + 1)) / 2, 0) / blocks
      longestOfAll = Math.max(longestOfAll, longest)
      assert.ok(steps < 2.5, `${name}, ${blocks} blocks: ${steps} steps a lookup`)
      assert.ok(longest <= WALK_MAX / 2, `${name}, ${blocks} blocks: a chain of ${longest}`)
    }
  }
  console.log(`\n# the longest chain has ${longestOfAll} blocks`)
})

test('a block inserted into its chain is found, a removed one is not', () => {
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
  // A circular chain, which a walk may see while frames move between chains.
  context.words[context.arena.bucketsAt + bucket] = 1
  context.words[context.arena.frameAt(0) + Frame.next] = 2
  context.words[context.arena.frameAt(1) + Frame.next] = 1
  assert.is(find(context, keyHighOf(0, 7), 7), -1)
})

test('there are at least as many buckets as blocks', () =>
  withCache({ cached: 100 }, ({ arena }) => {
    assert.ok(arena.geometry.buckets >= arena.geometry.blocks)
  }))

test('every one of many blocks is found, and read once', () =>
  withCache({ cached: 2000, partitions: { data: { blocks: 2000 } } }, async ({ cache, data }) => {
    for (let pass = 0; pass < 2; pass++) {
      for (let i = 0; i < 2000; i++) {
        const block = (i * 1237) % 2000
        using guard = await data.acquire(block, 'read')
        assert.equal(new DataView(copyOf(guard.data).buffer).getUint32(0), block)
      }
    }
    const { diskReads, hits, misses } = cache.stats()
    assert.equal({ diskReads, hits, misses }, { diskReads: 2000, hits: 2000, misses: 2000 })
  }))

test('blocks of one chain are told apart while the chain changes', () =>
  withCache({ cached: 16, partitions: { data: { blocks: 4096 } } }, async ({ cache, data, arena }) => {
    // All these blocks hash to one bucket, so that one chain holds the whole cache.
    const { buckets } = arena.geometry
    const chain = Array.from({ length: 4096 }, (_, block) => block).filter(
      (block) => hashOf(buckets, keyHighOf(0, block), block) === 0,
    )
    assert.ok(chain.length > 100, `${chain.length} blocks in the chain`)
    for (let i = 0; i < 1000; i++) {
      const block = chain[(i * 31 + (i % 7)) % chain.length]!
      using guard = await data.acquire(block, 'read')
      assert.equal(copyOf(guard.data), blockBytes(block))
    }
    assert.equal(cache.check(), [])
    let length = 0
    for (let link = arena.words[arena.bucketsAt]!; link !== 0; length++) {
      link = arena.words[arena.frameAt(link - 1) + Frame.next]!
    }
    assert.is(length, 16)
  }))

test.run()
