// @deadline 3600
// Deaths as in deaths.test.ts, with more of everything: two preemptions, two deaths, every plain store a place to die.
// The largest are cut off.

import { suite } from 'uvu'
import { mustHold, type Run } from './child.js'

const deaths = suite('deaths, long')

const SMALL = ['insert', 'free', 'insertChange', 'evict', 'evict2q', 'evictAll', 'latch', 'writers', 'copyChange', 'copyEvict', 'rewrite', 'reclass', 'discard', 'frames', 'pending', 'releaseReaper', 'changeReaper', 'undoReaper'] // prettier-ignore
const LARGE = ['pendingTwo', 'round', 'roundTwo', 'classes', 'roundPending', 'roundDiscard', 'roundFlushes']
const BOUNDS: readonly Omit<Run, 'body'>[] = [
  { preemptions: 2, deaths: 1, detours: 0 },
  { preemptions: 1, deaths: 1, variant: 'stores' },
  { preemptions: 0, deaths: 2, variant: 'stores' },
]

for (const name of [...SMALL, ...LARGE]) {
  deaths(`${name}: a death anywhere harms nobody else`, async () => {
    for (const bounds of BOUNDS) await mustHold({ body: `cache.${name}`, ...bounds, slices: 9, max: 100_000 })
  })
}

deaths.run()
