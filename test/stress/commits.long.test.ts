// @deadline 10800
// The storm of commits of commits.test.ts, with 10,000 deaths.

import { test } from 'uvu'
import { commitStorm } from './commit-storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)

for (const policy of ['lru2', '2q'] as const)
  test(`no thread and no file has a part of a commit, whatever ends, under ${policy}`, () =>
    commitStorm({ deaths: 5000, policy, seed }))

test.run()
