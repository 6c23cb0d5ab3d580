// Exploration of the write side's protocol with several faults in one run, and with random programs. See
// write-side.test.ts for what is explored and how.
// @deadline 3000

import { suite } from 'uvu'
import { randomScenario } from './write-side/random.js'
import { exploreAll } from './write-side/report.js'
import { large } from './write-side/scenarios.js'

const STATES_MAX = 600_000
const RANDOM_STATES_MAX = 150_000
const SEEDS = 200
const SEEDS_AT_A_TIME = 50

const protocol = suite('the protocol, at length')

for (const program of new Set(large.map(({ name }) => name.split(',')[0]!))) {
  protocol(`holds for: ${program}`, () => {
    const scenarios = large.filter(({ name }) => name.startsWith(`${program},`))
    exploreAll(program, scenarios, STATES_MAX)
  })
}

for (let first = 1; first <= SEEDS; first += SEEDS_AT_A_TIME) {
  protocol(`holds for random programs from seed ${first}`, () => {
    const scenarios = Array.from({ length: SEEDS_AT_A_TIME }, (_, i) => randomScenario(first + i))
    exploreAll(`seeds from ${first}`, scenarios, RANDOM_STATES_MAX)
  })
}

protocol.run()
