// @deadline 600
// Mutex, condition, round and ring: every schedule within a bound on preemptions, on real threads.

import { suite } from 'uvu'
import { sample } from '../support/size.js'
import { boundsText, mustHold } from './hold.js'

const primitives = suite('primitives')

const BODIES: readonly (readonly [string, number])[] = [
  ['mutex.two', 3],
  ['mutex.three', 2],
  ['primitives.condition', 3],
  ['primitives.conditionTwo', 2],
  ['primitives.roundWait', 2],
  ['primitives.roundFails', 2],
  ['primitives.roundKick', 2],
  ['primitives.roundDelayed', 2],
  ['primitives.ring', 2],
  ['primitives.ringPoppers', 2],
  ['primitives.ringFull', 3],
]

const runs = sample(BODIES, 3).map(([body, preemptions]) => ({ body, preemptions }))

for (const run of runs)
  primitives(`${run.body}: no wakeup is lost (${boundsText(run)})`, async () => {
    await mustHold(run)
  })

primitives.run()
