// @deadline 21600
// The bodies of weak.test.ts in all modes: without a limit, with two preemptions, at random with more of everything, and with a
// death. The number of schedules is limited for the largest.

import { suite } from 'uvu'
import { names } from './bodies/names.js'
import { mustHold } from './hold.js'
import { MODES } from './weak.js'

const weak = suite('weak memory, long')

const weakly = { weak: MODES, stales: 1, max: 20_000 }

for (const [file, bodies] of names())
  for (const body of bodies) {
    weak(`${body} holds`, async () => {
      await mustHold({ body, weak: MODES, stales: 1, preemptions: 1, detours: 0 })
      await mustHold({ body, ...weakly, preemptions: 2, detours: 0 })
      await mustHold({ body, ...weakly, preemptions: 3, detours: 2, stales: 3, random: 1, max: 2000 })
    })
    // A closing cache that loses its owner is an orphan: that body ends with the owner's part.
    if (file !== 'cache' || body === 'cache.close') continue
    weak(`${body} holds, with a death`, async () => {
      await mustHold({ body, ...weakly, preemptions: 0, deaths: 1, detours: 0, slices: 9 })
    })
  }

weak.run()
