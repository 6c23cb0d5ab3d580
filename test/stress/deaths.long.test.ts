// @deadline 10800
// The kill storm of deaths.test.ts, with 11 000 deaths.

import { test } from 'uvu'
import { storm } from './storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)

for (const policy of ['lru2', 'adaptive'] as const) {
  test(`3500 deaths of plain workers harm no other thread, under ${policy}`, () =>
    storm({ deaths: 3500, policy, by: 'hand', seed }))

  test(`1500 deaths of threads of piscina harm no other thread, under ${policy}`, () =>
    storm({ deaths: 1500, policy, by: 'piscina', seed }))

  test(`500 deaths of workers of workers harm no other thread, under ${policy}`, () =>
    storm({ deaths: 500, policy, by: 'nest', seed }))
}

test.run()
