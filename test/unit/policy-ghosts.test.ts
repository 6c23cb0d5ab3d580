// The ghosts of policy `adaptive`: which are kept, which are told apart, and that each counts for one return.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ALL_CLEAN, policyArena } from '#dist/bench/replay/policy-replay.js'
import { ghostSetsOf } from '#dist/core/policy/ghost-sets.js'
import { hashOf } from '#dist/shared/hash.js'
import { keyHighOf, keyLowOf } from '#dist/shared/key.js'
import { GHOST_SET } from '#dist/shared/layout.js'
import { Ghost, Header } from '#dist/shared/words.js'
import { cacheWith } from '../support/adaptive-cache.js'

test('a set keeps its newest ghosts', () => {
  const arena = policyArena('adaptive', 500)
  const ghosts = ghostSetsOf(arena)
  const sets = arena.geometry.ghostWords / Ghost.WORDS / GHOST_SET
  const added = Array.from({ length: sets }, (): number[] => [])
  for (let block = 0; block < 5000; block++) {
    arena.words[Header.tick] = (62_000 + block) & 0xffff // the clock wraps
    const [high, low] = [keyHighOf(0, block), keyLowOf(block)]
    ghosts.add(high, low, 10, block % 3 === 0)
    added[Math.floor(((hashOf(2 ** 32, high, low) >>> 0) * sets) / 2 ** 32)]!.push(block)
  }
  for (const blocks of added) {
    const found = blocks.filter((block) => ghosts.find(keyHighOf(0, block), keyLowOf(block)) >= 0)
    assert.equal(found, blocks.slice(-GHOST_SET))
    for (const block of found) {
      const ghost = ghosts.find(keyHighOf(0, block), keyLowOf(block))
      assert.equal([ghosts.since(ghost), ghosts.isFromMain(ghost)], [4999 - block, block % 3 === 0])
    }
  }
  assert.equal(ghosts.check(), [])
})

test('ghosts are told apart by partition and by all bits of the block', () => {
  const ghosts = ghostSetsOf(policyArena('adaptive', 500))
  const keyOf = (partition: number, block: number) => [keyHighOf(partition, block), keyLowOf(block)] as const
  const added = [[1, 5], [0, 2 ** 32 + 5], [0, 2 ** 45 + 5]] as const // prettier-ignore
  const others = [[0, 5], [2, 5], [0, 2 ** 33 + 5], [1, 2 ** 32 + 5], [0, 2 ** 44 + 5]] as const // prettier-ignore
  for (const [partition, block] of added) ghosts.add(...keyOf(partition, block), 0, false)
  for (const [partition, block] of added)
    assert.ok(ghosts.find(...keyOf(partition, block)) >= 0, String(block))
  for (const [partition, block] of others)
    assert.is(ghosts.find(...keyOf(partition, block)), -1, String(block))
})

test('a ghost counts for one return, with a search and without', () => {
  const { arena, policy, use, scan, has } = cacheWith()
  const ghosts = ghostSetsOf(arena)
  const hasGhost = (block: number) => ghosts.find(keyHighOf(0, block), keyLowOf(block)) >= 0
  scan(0, 100)
  scan(1000, 60)
  const evicted = Array.from({ length: 100 }, (_, block) => block).filter((block) => !has(block))
  assert.ok(evicted.length >= 10 && evicted.every(hasGhost))
  use(evicted[0]!)
  assert.not(hasGhost(evicted[0]!))
  // Another block's frame, without a search.
  const frame = policy.victim(ALL_CLEAN, keyHighOf(0, 9000), keyLowOf(9000))
  policy.insert(frame, keyHighOf(0, evicted[1]!), keyLowOf(evicted[1]!))
  assert.not(hasGhost(evicted[1]!))
  assert.ok(evicted.slice(2).every(hasGhost))
})

test.run()
