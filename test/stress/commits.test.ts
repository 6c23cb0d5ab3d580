// @deadline 600
// The storm of commits, with 300 deaths with a journal and 100 without one, 24 each at the small size. DCACHE_STRESS_SEED repeats the
// choices, not their moments.

import { test } from 'uvu'
import { sample, sized } from '../support/size.js'
import { commitStorm } from './commit-storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)

const STORMS = [
  { policy: 'adaptive', isJournaled: true, deaths: 150 },
  { policy: 'lru2', isJournaled: true, deaths: 150 },
  { policy: 'adaptive', isJournaled: false, deaths: 50 },
  { policy: 'lru2', isJournaled: false, deaths: 50 },
] as const

for (const { policy, isJournaled, deaths } of sample(STORMS, 2))
  test(`no thread and no file has a part of a commit, whatever ends, under ${policy}${isJournaled ? ', with a journal' : ''}`, () =>
    commitStorm({ deaths: sized(24, deaths), policy, isJournaled, seed }))

test.run()
