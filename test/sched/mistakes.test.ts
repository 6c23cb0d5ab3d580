// @deadline 600
// The explorer finds the mistakes that it is meant to find: each of these, put into a copy of the compiled code, fails its body.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sample } from '../support/size.js'
import { explore, type Explored, type Run } from './explore.js'
import { MISTAKES } from './mistakes.js'
import { unexplainedSlices } from './slices.js'

const mistakes = suite('mistakes')

const exploreOne = async (run: Run): Promise<Explored> => (await explore(run))[0]!

for (const [name, mistake] of sample(Object.entries(MISTAKES), 2)) {
  mistakes(`found: ${mistake.what}`, async () => {
    const { body, preemptions, detours = 9, deaths = 0, needsStores = false, weak, stales = 0 } = mistake
    const variant = [...(needsStores ? ['stores'] : []), mistake.variant ?? '', name]
      .filter(Boolean)
      .join('+')
    const run = {
      body,
      preemptions,
      detours,
      deaths,
      slices: deaths === 0 ? 0 : 9,
      variant,
      ...(weak === undefined ? {} : { weak: [weak] }),
    }
    const found = await exploreOne({ ...run, stales })
    const unexplained = unexplainedSlices(found.slices)
    assert.ok(
      found.failure !== undefined || unexplained.length > 0,
      `${name} was not found in ${found.schedules} schedules`,
    )
    if (weak !== undefined) {
      const hidden = await exploreOne({ ...run, stales: 0 })
      assert.is(hidden.failure, undefined, `${name} was found without a stale load`)
    }
    console.log(`\n# ${name}: ${found.failure?.kind ?? unexplained[0]!}, schedule ${found.schedules}`)
  })
}

mistakes('a printed schedule fails in the same way when it is run again', async () => {
  const run = { body: 'mutex.two', preemptions: 1, variant: 'mutex-no-notify' }
  const first = await exploreOne(run)
  assert.is(first.failure?.kind, 'deadlock')
  const again = await exploreOne({ ...run, replay: first.failure?.schedule ?? '' })
  assert.is(again.schedules, 1)
  assert.equal(again.failure, first.failure)
})

mistakes.run()
