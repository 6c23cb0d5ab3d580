// @deadline 10800
// The bodies of weak.test.ts in all modes: without a limit, with two preemptions, with a death, and at random with more of everything. The
// number of schedules is limited for the largest.

import { suite } from 'uvu'
import { names } from './bodies/names.js'
import { mustHold } from './hold.js'
import { MODES } from './weak.js'

const weak = suite('weak memory, long')

const weakly = { weak: MODES, stales: 1, max: 20_000 }

for (const [file, bodies] of names()) {
  weak(`the bodies of ${file} hold`, async () => {
    for (const body of bodies) {
      await mustHold({ body, weak: MODES, stales: 1, preemptions: 1, detours: 0 })
      await mustHold({ body, ...weakly, preemptions: 2, detours: 0 })
      await mustHold({ body, ...weakly, preemptions: 3, detours: 2, stales: 3, random: 1, max: 2000 })
    }
  })
  if (file === 'cache')
    weak(`the bodies of ${file} hold, with a death`, async () => {
      for (const body of bodies)
        await mustHold({ body, ...weakly, preemptions: 0, deaths: 1, detours: 0, slices: 9 })
    })
}

weak.run()
