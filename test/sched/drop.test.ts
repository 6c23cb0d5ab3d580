// @deadline 600
// A partition that is dropped, or made smaller, while other clients use it: whatever the schedule, and wherever a client dies.

import { suite } from 'uvu'
import { sample } from '../support/size.js'
import { names } from './bodies/names.js'
import { mustHold } from './hold.js'

const drops = suite('drop')

const [, bodies] = names().find(([file]) => file === 'drop')!

for (const body of sample(bodies, 3)) {
  drops(`${body} holds`, async () => {
    await mustHold({ body, preemptions: 2, detours: 0, max: 3000 })
  })
  drops(`${body} holds, with a death`, async () => {
    await mustHold({ body, preemptions: 1, deaths: 1, detours: 0, slices: 9, max: 500 })
  })
}

drops.run()
