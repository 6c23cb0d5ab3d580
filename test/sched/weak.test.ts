// @deadline 900
// Weak memory: every body of the explorer where a load may return an older value, as arm64 and ECMAScript allow (weak.ts).
// What the engine does on such a processor is explored on any: the compiled code is the same except the loads and fences of
// src/shared/atomics.ts.

import { suite } from 'uvu'
import { sample, sized } from '../support/size.js'
import { names } from './bodies/names.js'
import type { Run } from './explore.js'
import { mustHold } from './hold.js'

const weak = suite('weak memory')

// Complete for three bodies in four; without the limit, and with more of everything: weak.long.test.ts.
const run: Omit<Run, 'body'> = {
  weak: ['arm', 'js'],
  stales: 1,
  preemptions: 1,
  detours: 0,
  max: sized(60, 500),
}

for (const [file, bodies] of names())
  weak(`the bodies of ${file} hold`, async () => {
    for (const body of sample(bodies, 2)) await mustHold({ body, ...run })
  })

// What a thread that dies has stored must reach those that wait for it. Complete without the small size's limit.
weak('a round whose flush worker dies holds', () =>
  mustHold({
    body: 'cache.borrowClasses',
    weak: ['js'],
    stales: 1,
    preemptions: 0,
    deaths: 1,
    detours: 0,
    slices: 9,
  }),
)

weak.run()
