// How the commands print holders(): a line for each, with all that is known.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { holdersText } from '#dist/core/inspect/holders-text.js'
import type { Holder } from '#dist/index.js'

const holder: Holder = {
  slot: 6,
  threadId: 3,
  name: 'indexer',
  alive: true,
  what: 'holds',
  mode: 'modify',
  partition: 'data',
  block: 7,
  sinceMs: 12,
  heldBy: [],
  cycle: [],
}

test('each holder and each wait has a line', () => {
  assert.equal(holdersText([]), ['no thread holds or waits for anything'])
  assert.equal(
    holdersText([
      holder,
      { ...holder, name: '', mode: 'read', sinceMs: undefined, alive: false },
      { ...holder, what: 'waits', heldBy: [4, 5], cycle: [4, 6] },
      { ...holder, what: 'waits', mode: 'spare', partition: undefined, block: undefined },
    ]),
    [
      "thread 3 'indexer' (slot 6) holds block 7 of 'data' to modify for 12 ms",
      "thread 3 (slot 6, dead) holds block 7 of 'data' to read",
      "thread 3 'indexer' (slot 6) waits for block 7 of 'data' to modify for 12 ms, held by slot 4, 5, in a cycle of slots 4, 6",
      "thread 3 'indexer' (slot 6) waits for a spare frame for 12 ms",
    ],
  )
})

test.run()
