// @deadline 10800
// Deaths as in deaths.test.ts with higher bounds: two preemptions, two deaths, and deaths at every plain store. The number
// of schedules is limited for the largest.

import { suite } from 'uvu'
import type { Run } from './explore.js'
import { mustHold } from './hold.js'

const deaths = suite('deaths, long')

const SMALL = ['insert', 'free', 'insertChange', 'evict', 'evictBack', 'evictDirty', 'evictHeld', 'evictMain', 'evictAll', 'latch', 'writers', 'copyChange', 'copyEvict', 'rewrite', 'reclass', 'discard', 'frames', 'pending', 'releaseReaper', 'changeReaper', 'undoReaper', 'rewriteCopy', 'borrow', 'share', 'shareChange', 'shareEvict'] // prettier-ignore
const LARGE = [
  'pendingTwo',
  'round',
  'roundTwo',
  'classes',
  'roundPending',
  'roundDiscard',
  'roundFlushes',
  'roundHot',
  'roundWrite',
  'roundShare',
  'led',
  'ledEvict',
  'ledFollow',
  'ledBoth',
  'ledWrite',
  'ledPending',
  'borrowRound',
  'borrowTwo',
  'borrowClasses',
  'borrowBack',
]
const BOUNDS: readonly Omit<Run, 'body'>[] = [
  { preemptions: 2, deaths: 1, detours: 0 },
  { preemptions: 1, deaths: 1, variant: 'stores' },
  { preemptions: 0, deaths: 2, variant: 'stores' },
  { preemptions: 1, deaths: 1, variant: 'stores+adaptive' },
]

for (const name of [...SMALL, ...LARGE]) {
  deaths(`${name}: a death at any point harms no other thread`, async () => {
    for (const bounds of BOUNDS) await mustHold({ body: `cache.${name}`, ...bounds, slices: 9, max: 100_000 })
  })
}

deaths.run()
