// @deadline 10800
// The bodies of latch.test.ts with more threads, more preemptions, and deaths at plain stores. The number of schedules is
// limited for the largest.

import { suite } from 'uvu'
import type { Run } from './explore.js'
import { mustHold } from './hold.js'

const latch = suite('latch, long')

const BODIES = ['writers', 'threeWriters', 'modes', 'readTwice', 'readTwiceAmong', 'load', 'threeLoad', 'loadAndWrite', 'quitWriter', 'quitWriters', 'quitReader', 'quitAmong', 'quitLoader', 'comesBack', 'comesBackToWriter', 'changesMode', 'changesModeAmong', 'joined', 'joinedLater'] // prettier-ignore
const BOUNDS: readonly Omit<Run, 'body'>[] = [
  { preemptions: 2, detours: 2, max: 60_000 },
  { preemptions: 2, deaths: 1, detours: 0, slices: 9, max: 60_000 },
  { preemptions: 0, deaths: 2, detours: 0, slices: 9, max: 60_000 },
]

for (const name of BODIES)
  for (const variant of ['', 'offers', 'stores'])
    latch(`${name} ${variant}`, async () => {
      for (const bounds of BOUNDS) {
        // Readers that need each other would wait for ever for a dead one.
        if (bounds.deaths !== undefined && name.startsWith('joined')) continue
        await mustHold({ body: `latch.${name}`, ...bounds, ...(variant === '' ? {} : { variant }) })
      }
    })

latch.run()
