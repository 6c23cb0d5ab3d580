// @deadline 300
// Threads that end under load: 345 deaths. No thread hangs, no byte is wrong, check() is empty after each, and the files are
// right at the end. DCACHE_STRESS_SEED repeats the choices, though not the moments.

import { test } from 'uvu'
import { storm } from './storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)

test('120 deaths of workers made by hand, under lru2', () =>
  storm({ deaths: 120, policy: 'lru2', by: 'hand', seed }))

test('90 deaths of workers made by hand, under 2q', () =>
  storm({ deaths: 90, policy: '2q', by: 'hand', seed }))

test('90 deaths of threads of piscina', () => storm({ deaths: 90, policy: 'lru2', by: 'piscina', seed }))

test('45 deaths of workers of workers', () => storm({ deaths: 45, policy: '2q', by: 'nest', seed }))

test.run()
