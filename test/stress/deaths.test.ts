// @deadline 300
// Threads that end under load: 345 deaths, 45 at the small size. No thread hangs, no byte is wrong, check() is empty after each, and the files are
// right at the end. DCACHE_STRESS_SEED repeats the choices, though not the moments.

import { test } from 'uvu'
import { sized } from '../support/size.js'
import { storm } from './storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)

const CASES: readonly {
  deaths: number
  policy: 'lru2' | '2q'
  by: 'hand' | 'piscina' | 'nest'
  what: string
}[] = [
  { deaths: sized(15, 120), policy: 'lru2', by: 'hand', what: 'workers made by hand' },
  { deaths: sized(10, 90), policy: '2q', by: 'hand', what: 'workers made by hand' },
  { deaths: sized(10, 90), policy: 'lru2', by: 'piscina', what: 'threads of piscina' },
  { deaths: sized(10, 45), policy: '2q', by: 'nest', what: 'workers of workers' },
]

for (const { what, ...options } of CASES)
  test(`${options.deaths} deaths of ${what}, under ${options.policy}`, () => storm({ ...options, seed }))

test.run()
