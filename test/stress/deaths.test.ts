// @deadline 300
// Threads that end under load: 150 deaths, 23 at the small size. No thread may hang, no byte may be wrong, check() must find nothing after each
// death, and the files must be right at the end. DCACHE_STRESS_SEED repeats the choices but not their timing.

import { test } from 'uvu'
import { sample, sized } from '../support/size.js'
import { storm } from './storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)

const CASES: readonly {
  deaths: number
  policy: 'lru2' | 'adaptive'
  by: 'hand' | 'piscina' | 'nest'
  what: string
}[] = [
  { deaths: sized(8, 50), policy: 'lru2', by: 'hand', what: 'plain workers' },
  { deaths: sized(5, 40), policy: 'adaptive', by: 'hand', what: 'plain workers' },
  { deaths: sized(5, 40), policy: 'lru2', by: 'piscina', what: 'threads of piscina' },
  { deaths: sized(5, 20), policy: 'adaptive', by: 'nest', what: 'workers of workers' },
]

for (const { what, ...options } of sample(CASES, 2))
  test(`${options.deaths} deaths of ${what} harm no other thread, under ${options.policy}`, () =>
    storm({ ...options, seed }))

test.run()
