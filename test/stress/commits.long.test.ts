// @deadline 10800
// The storm of commits of commits.test.ts, with 10,000 deaths with a journal and 5,000 without.

import { test } from 'uvu'
import { commitStorm } from './commit-storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)

for (const { policy, isJournaled } of [
  { policy: 'lru2', isJournaled: true },
  { policy: '2q', isJournaled: true },
  { policy: 'lru2', isJournaled: false },
] as const)
  test(`no thread and no file has a part of a commit, whatever ends, under ${policy}${isJournaled ? ', with a journal' : ''}`, () =>
    commitStorm({ deaths: 5000, policy, isJournaled, seed }))

test.run()
