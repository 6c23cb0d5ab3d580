// @deadline 600
// Commits of several blocks: no thread, no cut and no disk has a part of one, whatever the schedule, and wherever a client, the
// reaper or a thread of the engine dies.

import { suite } from 'uvu'
import { sample } from '../support/size.js'
import type { Run } from './explore.js'
import { boundsText, mustHold } from './hold.js'

const commits = suite('commits')

const RUNS: readonly Run[] = [
  { body: 'commit.one', preemptions: 2, variant: 'stores' },
  { body: 'commit.again', preemptions: 1, variant: 'stores' },
  { body: 'commit.same', preemptions: 1 },
  { body: 'commit.two', preemptions: 1 },
  { body: 'commit.beside', preemptions: 2, detours: 0 },
  { body: 'commit.update', preemptions: 2, detours: 0 },
  { body: 'commit.round', preemptions: 1, detours: 0 },
  { body: 'commit.roundTwo', preemptions: 1, detours: 0 },
  { body: 'commit.roundFirst', preemptions: 1, detours: 0 },
  { body: 'commit.classes', preemptions: 1, detours: 0 },
  { body: 'commit.led', preemptions: 1, detours: 0 },
  { body: 'commit.twoAgain', preemptions: 1, detours: 0 },
  { body: 'commit.reaper', preemptions: 2, variant: 'stores' },
  { body: 'commit.journal', preemptions: 1, detours: 0 },
  { body: 'commit.journalGather', preemptions: 1, detours: 0 },
  { body: 'commit.journalRound', preemptions: 1, detours: 0 },
  { body: 'commit.journalPlaces', preemptions: 1, detours: 0 },
]

const DEATHS: readonly Run[] = [
  { body: 'commit.one', preemptions: 1, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.beside', preemptions: 1, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.again', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'commit.two', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'commit.same', preemptions: 0, deaths: 2, detours: 0, variant: 'stores' },
  { body: 'commit.round', preemptions: 0, deaths: 1, detours: 1, variant: 'stores' },
  { body: 'commit.roundTwo', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.roundFirst', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.classes', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.led', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.twoAgain', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.journal', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.journalGather', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.journalRound', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
  { body: 'commit.journalPlaces', preemptions: 0, deaths: 1, detours: 0, variant: 'stores' },
]

for (const run of sample(RUNS, 3))
  commits(`${run.body} holds in every schedule (${boundsText(run)})`, async () => {
    await mustHold(run)
  })

for (const run of sample(DEATHS, 3))
  commits(`${run.body} holds with a death at any point (${boundsText(run)})`, async () => {
    await mustHold({ ...run, slices: 9 })
  })

commits.run()
