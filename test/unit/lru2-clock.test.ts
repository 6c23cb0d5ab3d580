// Defect 5 of the ancestor: the middle of two times overflows in 32 bits. From tick 2^31 on each new block was the next
// victim. Here the clock is put near the edges, and the hits are those of a clock that begins at 0.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Arena } from '#dist/shared/arena.js'
import { accessPattern } from '../support/ancestor-lru2.js'
import { withCache } from '../support/open.js'
import { Frame, Header } from '#dist/shared/words.js'

const PATTERN = accessPattern(6000, 300, 7)

/** The frames of a new cache look as if all had been used last at that moment. */
function setClock(arena: Arena, tick: number): void {
  const { words, geometry } = arena
  words[Header.policyClock] = tick | 0
  for (let frame = 0; frame < geometry.blocks; frame++) {
    words[arena.frameAt(frame) + Frame.used] = tick | 0
    words[arena.frameAt(frame) + Frame.used2] = tick | 0
  }
}

/** Which accesses hit, as one string. */
async function hitsFrom(tick: number): Promise<string> {
  let hits = ''
  await withCache({ cached: 80, partitions: { data: { blocks: 300 } } }, async ({ data, arena, cache }) => {
    setClock(arena, tick)
    for (const block of PATTERN) {
      const guard = data.tryAcquire(block, 'read')
      hits += guard ? 'h' : '-'
      ;(guard ?? (await data.acquire(block, 'read'))).release()
    }
    assert.equal(cache.check(), [])
  })
  return hits
}

const expected = await hitsFrom(0)

for (const [name, tick] of [
  ['2^31, passed on the way', 2 ** 31 - 3000],
  ['2^31', 2 ** 31],
  ['2^32, passed on the way', 2 ** 32 - 3000],
  ['3 * 2^30', 3 * 2 ** 30],
] as const) {
  test(`the same hits from tick ${name}`, async () => {
    assert.is(await hitsFrom(tick), expected)
  })
}

test('the pattern has both hits and misses', () => {
  const hits = expected.replaceAll('-', '').length
  assert.ok(hits > 2000 && hits < 5500, `${hits} hits`)
})

test.run()
