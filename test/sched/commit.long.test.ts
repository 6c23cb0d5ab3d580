// @deadline 10800
// Commits as in commit.test.ts with higher bounds. The number of schedules is limited for the largest.

import { suite } from 'uvu'
import { names } from './bodies/names.js'
import type { Run } from './explore.js'
import { mustHold } from './hold.js'

const commits = suite('commits, long')

const BOUNDS: readonly Omit<Run, 'body'>[] = [
  { preemptions: 2, deaths: 1, detours: 0 },
  { preemptions: 1, deaths: 1, variant: 'stores' },
  { preemptions: 1, deaths: 2, detours: 0, variant: 'stores' },
]

const [, bodies] = names().find(([file]) => file === 'commit')!

for (const body of bodies)
  commits(`${body} holds with deaths at any point`, async () => {
    for (const bounds of BOUNDS) await mustHold({ body, ...bounds, slices: 9, max: 100_000 })
  })

commits.run()
