// @deadline 900
// The queue of a latch under every schedule within a bound: with releases that free the latch and wake the waiter, and with
// releases that all make an offer ('offers'). Then with a death at every step, after which the reaper runs and may die too.

import { suite } from 'uvu'
import { sample } from '../support/size.js'
import type { Run } from './explore.js'
import { boundsText, mustHold } from './hold.js'

const latch = suite('latch')

const RUNS: readonly Run[] = [
  { body: 'latch.writers', preemptions: 3 },
  { body: 'latch.threeWriters', preemptions: 2, detours: 0 },
  { body: 'latch.modes', preemptions: 2, detours: 1 },
  { body: 'latch.readTwice', preemptions: 2 },
  { body: 'latch.load', preemptions: 2 },
  { body: 'latch.threeLoad', preemptions: 2, detours: 0 },
  { body: 'latch.loadAndWrite', preemptions: 1, detours: 1 },
  { body: 'latch.quitWriter', preemptions: 2, detours: 1 },
  { body: 'latch.quitAmong', preemptions: 2, detours: 0 },
  { body: 'latch.quitLoader', preemptions: 1, detours: 1 },
  { body: 'latch.comesBackToWriter', preemptions: 2 },
  { body: 'latch.changesMode', preemptions: 2 },
  { body: 'latch.joined', preemptions: 2, detours: 0 },
  { body: 'latch.joinedLater', preemptions: 2, detours: 0 },
]

/** Each of the runs as it is, and with offers. */
const both = (runs: readonly Run[]): Run[] => [...runs, ...runs.map((run) => ({ ...run, variant: 'offers' }))]

for (const run of both(sample(RUNS, 3)))
  latch(
    `${run.body}: writers are exclusive, no wakeup is lost, no mark stays without a wait (${boundsText(run)})`,
    async () => {
      await mustHold(run)
    },
  )

const DEATHS: readonly Run[] = [
  { body: 'latch.writers', preemptions: 1, deaths: 1 },
  { body: 'latch.modes', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'latch.readTwice', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'latch.load', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'latch.quitAmong', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'latch.quitReader', preemptions: 1, deaths: 1, detours: 0 },
  { body: 'latch.writers', preemptions: 0, deaths: 2, detours: 0 },
  { body: 'latch.quitWriter', preemptions: 0, deaths: 2, detours: 0 },
]

for (const run of both(sample(DEATHS, 1)))
  latch(`${run.body}: a death at any point blocks no other thread (${boundsText(run)})`, async () => {
    await mustHold({ ...run, slices: 9 })
  })

latch.run()
