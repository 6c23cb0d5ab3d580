// @deadline 600
// The cache under every schedule of real threads that use the public calls: lookups against evictions, inserts against
// inserts, changes against rounds, releases that may not wait. At the end of every schedule check() must find nothing.

import { suite } from 'uvu'
import { sample } from '../support/size.js'
import type { Run } from './explore.js'
import { boundsText, mustHold } from './hold.js'

const cache = suite('cache')

const RUNS: readonly Run[] = [
  { body: 'cache.insert', preemptions: 2 },
  { body: 'cache.insertThree', preemptions: 1 },
  { body: 'cache.insertChange', preemptions: 2 },
  { body: 'cache.free', preemptions: 2 },
  { body: 'cache.evict', preemptions: 2, variant: 'stores' },
  { body: 'cache.evictBack', preemptions: 2 },
  { body: 'cache.evictDirty', preemptions: 2, detours: 1 },
  { body: 'cache.evictHeld', preemptions: 1 },
  { body: 'cache.evict', preemptions: 2, variant: 'stores+adaptive' },
  { body: 'cache.evictBack', preemptions: 2, variant: 'adaptive' },
  { body: 'cache.evictDirty', preemptions: 2, detours: 1, variant: 'adaptive' },
  { body: 'cache.evictHeld', preemptions: 1, variant: 'adaptive' },
  { body: 'cache.evictMain', preemptions: 2, variant: 'adaptive' },
  { body: 'cache.evictAll', preemptions: 2 },
  { body: 'cache.evictTwice', preemptions: 1 },
  { body: 'cache.run', preemptions: 2 },
  { body: 'cache.runs', preemptions: 2 },
  { body: 'cache.runEvict', preemptions: 2 },
  { body: 'cache.ahead', preemptions: 2 },
  { body: 'cache.aheadChange', preemptions: 2 },
  { body: 'cache.aheadEvict', preemptions: 2 },
  { body: 'cache.aheadEvict', preemptions: 2, variant: 'adaptive' },
  { body: 'cache.latch', preemptions: 2 },
  { body: 'cache.writers', preemptions: 2, variant: 'stores' },
  { body: 'cache.close', preemptions: 2 },
  { body: 'cache.copyChange', preemptions: 2, variant: 'stores' },
  { body: 'cache.copyEvict', preemptions: 2, variant: 'stores' },
  { body: 'cache.rewrite', preemptions: 2 },
  { body: 'cache.reclass', preemptions: 2 },
  { body: 'cache.discard', preemptions: 2 },
  { body: 'cache.frames', preemptions: 2 },
  { body: 'cache.pending', preemptions: 2 },
  { body: 'cache.pendingOwn', preemptions: 2 },
  { body: 'cache.pendingTwo', preemptions: 1 },
  { body: 'cache.releaseReaper', preemptions: 2 },
  { body: 'cache.changeReaper', preemptions: 2, detours: 1 },
  { body: 'cache.undoReaper', preemptions: 2, detours: 1 },
  { body: 'cache.share', preemptions: 2, detours: 1 },
  { body: 'cache.shareHit', preemptions: 2, detours: 1 },
  { body: 'cache.shareChange', preemptions: 1, detours: 1 },
  { body: 'cache.shareEvict', preemptions: 1, detours: 1 },
  { body: 'cache.shareRound', preemptions: 1, detours: 0 },
  { body: 'cache.shareChange', preemptions: 2, detours: 1, variant: 'adaptive' },
  { body: 'cache.roundEvict', preemptions: 1, detours: 0, variant: 'adaptive' },
  { body: 'cache.ledEvict', preemptions: 1, detours: 0, variant: 'adaptive' },
  { body: 'cache.borrowBack', preemptions: 1, detours: 0, variant: 'adaptive' },
  { body: 'cache.round', preemptions: 1, detours: 1 },
  { body: 'cache.roundEmpty', preemptions: 1, detours: 1 },
  { body: 'cache.roundTwo', preemptions: 1, detours: 0 },
  { body: 'cache.roundShare', preemptions: 1, detours: 0 },
  { body: 'cache.roundShareLeave', preemptions: 1, detours: 0 },
  { body: 'cache.roundPending', preemptions: 1, detours: 0 },
  { body: 'cache.roundDiscard', preemptions: 1, detours: 0 },
  { body: 'cache.roundFlushes', preemptions: 1, detours: 0 },
  { body: 'cache.roundHot', preemptions: 1, detours: 0 },
  { body: 'cache.roundWrite', preemptions: 1, detours: 0 },
  { body: 'cache.rewriteCopy', preemptions: 2, variant: 'stores' },
  { body: 'cache.classes', preemptions: 1, detours: 0 },
  { body: 'cache.led', preemptions: 2, detours: 0 },
  { body: 'cache.ledEvict', preemptions: 1, detours: 0 },
  { body: 'cache.ledTwo', preemptions: 1, detours: 0 },
  { body: 'cache.ledFollow', preemptions: 1, detours: 0 },
  { body: 'cache.ledBoth', preemptions: 1, detours: 0 },
  { body: 'cache.ledWrite', preemptions: 1, detours: 0 },
  { body: 'cache.ledPending', preemptions: 1, detours: 0 },
  { body: 'cache.ledDiscard', preemptions: 1, detours: 0 },
  { body: 'cache.borrow', preemptions: 2, variant: 'stores' },
  { body: 'cache.borrowRound', preemptions: 1, detours: 0 },
  { body: 'cache.borrowTwo', preemptions: 1, detours: 0 },
  { body: 'cache.borrowClasses', preemptions: 1, detours: 0 },
  { body: 'cache.borrowBack', preemptions: 1, detours: 0 },
]

for (const run of sample(RUNS, 5))
  cache(`${run.body} is coherent in every schedule (${boundsText(run)})`, async () => {
    await mustHold(run)
  })

cache.run()
