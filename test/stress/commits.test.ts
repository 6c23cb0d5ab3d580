// @deadline 300
// The storm of commits, with 300 deaths, 24 at the small size. DCACHE_STRESS_SEED repeats the choices, not their moments.

import { test } from 'uvu'
import { sample, sized } from '../support/size.js'
import { commitStorm } from './commit-storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)

for (const policy of sample(['lru2', '2q'] as const, 1))
  test(`no thread and no file has a part of a commit, whatever ends, under ${policy}`, () =>
    commitStorm({ deaths: sized(24, 150), policy, seed }))

test.run()
