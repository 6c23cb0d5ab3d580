// @deadline 14400
// The storm of commits of commits.test.ts, with 10,000 deaths with a journal and 5,000 without. Each thousand has a process of its
// own: a thread that is ended while Node.js loads its modules leaves their files open, about ten files a death.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CommitStormOptions } from './commit-storm.js'

const seed = Number(process.env['DCACHE_STRESS_SEED'] ?? Date.now() % 1e9)
const DEATHS = 1000
const program = fileURLToPath(new URL('./commit-storm-process.js', import.meta.url))

for (const { policy, isJournaled } of [
  { policy: 'lru2', isJournaled: true },
  { policy: 'adaptive', isJournaled: true },
  { policy: 'lru2', isJournaled: false },
] as const)
  test(`no thread and no file has a part of a commit, whatever ends, under ${policy}${isJournaled ? ', with a journal' : ''}`, () => {
    for (let part = 0; part < 5; part++) {
      const options: CommitStormOptions = { deaths: DEATHS, policy, isJournaled, seed: seed + part }
      const { status } = spawnSync(process.execPath, [program, JSON.stringify(options)], { stdio: 'inherit' })
      assert.is(status, 0, `the storm with ${JSON.stringify(options)}`)
    }
  })

test.run()
