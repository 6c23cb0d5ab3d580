// @deadline 300
// Threads that end under load: 345 deaths. No thread may hang, no byte may be wrong, check() must find nothing after each
// death, and the files must be right at the end. DCACHE_STRESS_SEED repeats the choices but not their timing.

import { test } from 'uvu'
import { storm } from './storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)

test('120 deaths of plain workers harm no other thread, under lru2', () =>
  storm({ deaths: 120, policy: 'lru2', by: 'hand', seed }))

test('90 deaths of plain workers harm no other thread, under 2q', () =>
  storm({ deaths: 90, policy: '2q', by: 'hand', seed }))

test('90 deaths of threads of piscina harm no other thread', () =>
  storm({ deaths: 90, policy: 'lru2', by: 'piscina', seed }))

test('45 deaths of workers of workers harm no other thread', () =>
  storm({ deaths: 45, policy: '2q', by: 'nest', seed }))

test.run()
