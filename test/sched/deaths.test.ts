// @deadline 600
// Death at every step: at each point of each schedule one client may die, and then the reaper runs concurrently with the
// others. With two deaths the reaper may die too, at any point, and its successor continues. In the variant 'stores' a
// thread may also die at every plain store of the engine. No thread may wait for a dead one, nothing that it held may
// stay held, and its unreleased changes must not be seen.

import { suite } from 'uvu'
import { sample } from '../support/size.js'
import type { Run } from './explore.js'
import { boundsText, mustHold } from './hold.js'

const deaths = suite('deaths')

const RUNS: readonly Omit<Run, 'slices'>[] = [
  { body: 'cache.insert', preemptions: 1, deaths: 1, detours: 1 },
  { body: 'cache.evict', preemptions: 1, deaths: 1, detours: 1 },
  { body: 'cache.evictBack', preemptions: 1, deaths: 1, detours: 1, variant: 'stores+adaptive' },
  { body: 'cache.evictDirty', preemptions: 0, deaths: 2, detours: 0, variant: 'stores+adaptive' },
  { body: 'cache.evictHeld', preemptions: 0, deaths: 2, detours: 0, variant: 'stores+adaptive' },
  { body: 'cache.evictMain', preemptions: 1, deaths: 1, detours: 0, variant: 'stores+adaptive' },
  { body: 'cache.shareChange', preemptions: 0, deaths: 1, detours: 1, variant: 'stores+adaptive' },
  { body: 'cache.roundEvict', preemptions: 0, deaths: 1, detours: 0, variant: 'stores+adaptive' },
  { body: 'cache.borrowBack', preemptions: 0, deaths: 1, detours: 0, variant: 'stores+adaptive' },
  { body: 'cache.ahead', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.runEvict', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.latch', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'cache.copyChange', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'cache.writers', preemptions: 1, deaths: 1, detours: 1 },
  { body: 'cache.frames', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'cache.pending', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'cache.undoReaper', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'cache.insertChange', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'cache.evictAll', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'cache.latch', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'cache.reclass', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'cache.discard', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'cache.round', preemptions: 0, deaths: 1, detours: 1, variant: 'stores' },
  { body: 'cache.roundEvict', preemptions: 0, deaths: 1, detours: 0 },
  { body: 'cache.classes', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.roundFlushes', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.roundShare', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.roundShareLeave', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.roundHot', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.roundWrite', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.rewriteCopy', preemptions: 1, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.led', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'cache.ledEvict', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.ledFollow', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.ledBoth', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.ledWrite', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.ledPending', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.borrow', preemptions: 1, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.borrow', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'cache.borrowRound', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.borrowTwo', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.borrowClasses', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'cache.borrowBack', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
]

for (const run of sample(RUNS, 3))
  deaths(`${run.body}: a death at any point harms no other thread (${boundsText(run)})`, async () => {
    await mustHold({ ...run, slices: 9 })
  })

deaths.run()
