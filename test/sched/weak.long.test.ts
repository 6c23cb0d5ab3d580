// @deadline 10800
// The bodies of weak.test.ts in all modes: without a limit, with two preemptions, with a death, and at random with more of everything. The
// number of schedules is limited for the largest.

import { suite } from 'uvu'
import { names } from './bodies/names.js'
import { allMustHold } from './child.js'
import { MODES } from './weak.js'

const weak = suite('weak memory, long')

const weakly = { weak: MODES.join(','), stales: 1, max: 20_000 }

for (const [file, bodies] of names()) {
  weak(`the bodies of ${file} hold`, async () => {
    await allMustHold(bodies, { weak: weakly.weak, stales: 1, preemptions: 1, detours: 0 })
    await allMustHold(bodies, { ...weakly, preemptions: 2, detours: 0 })
    await allMustHold(bodies, { ...weakly, preemptions: 3, detours: 2, stales: 3, random: 1, max: 2000 })
  })
  // A closing cache that loses its owner is an orphan: that body ends with the owner's part.
  const mortal = bodies.filter((body) => body !== 'cache.close')
  if (file === 'cache')
    weak(`the bodies of ${file} hold, with a death`, async () => {
      await allMustHold(mortal, { ...weakly, preemptions: 0, deaths: 1, detours: 0, slices: 9 })
    })
}

weak.run()
