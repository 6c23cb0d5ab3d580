// @deadline 600
// Death at every step: at each point of each schedule one client may die, then the reaper runs beside the others; with two
// deaths the reaper dies as well, anywhere, and its successor goes on. In the variant 'stores' every plain store of the
// engine is a place to die. Nobody may wait for the dead, nothing may be left of them, and what they had not released must
// not be seen.

import { suite } from 'uvu'
import { sample } from '../support/size.js'
import { mustHold, type Run } from './child.js'

const deaths = suite('deaths')

const RUNS: readonly Omit<Run, 'slices'>[] = [
  { body: 'cache.insert', preemptions: 1, deaths: 1, detours: 1 },
  { body: 'cache.evict', preemptions: 1, deaths: 1, detours: 1 },
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
]

for (const run of sample(RUNS, 4)) {
  deaths(`${run.body}: a death anywhere harms nobody else`, async () => {
    await mustHold({ ...run, slices: 9 })
  })
}

deaths.run()
