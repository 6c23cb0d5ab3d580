// @deadline 600
// Partial rounds: of a client and of the flush worker, alone, with each other, and with a round of all classes that is under way or
// has to begin; and deaths of all of them.

import { suite } from 'uvu'
import { sample } from '../support/size.js'
import type { Run } from './explore.js'
import { boundsText, mustHold } from './hold.js'

const partials = suite('partial rounds')

const BODIES = [
  'cache.partial',
  'cache.partialLater',
  'cache.partialBoth',
  'cache.partialRound',
  'cache.partialStage',
  'cache.partialAsked',
  'cache.partialLed',
  'cache.partialLedAsked',
  'cache.partialClasses',
]

const RUNS: readonly Run[] = [
  ...BODIES.map((body) => ({ body, preemptions: 1, detours: 0 })),
  ...BODIES.map((body) => ({ body, preemptions: 0, deaths: 1, slices: 9, detours: 0 })),
  { body: 'cache.partial', preemptions: 0, deaths: 1, slices: 9, detours: 0, variant: 'stores' },
  { body: 'cache.partialStage', preemptions: 0, deaths: 1, slices: 9, detours: 0, variant: 'stores' },
]

for (const run of sample(RUNS, 5))
  partials(`${run.body} holds in every schedule (${boundsText(run)})`, async () => {
    await mustHold(run)
  })

partials.run()
