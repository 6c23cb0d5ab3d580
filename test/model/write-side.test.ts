// Exploration of the write side's protocol: every order of steps of small programs, with one fault, and every crash image in
// every state. Each hole that the protocol had or might have had is seeded in the model and must show.
//
// Modelled as the engine does it: acquire with undo, release, discard, release without a mark, declared ranges, flush,
// forget, deferred releases, cut, stages, writers, fences, retry, evictions, deaths of clients, writers and the
// flush worker, repair and reaping. Not modelled: pins of readers, lost wakeups, weak memory, scoped flush, `overwrite`,
// several groups, the dirty limit, epochs that wrap, livelock.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { explore } from './write-side/explore.js'
import { harmless, type Mistake, mistakes } from './write-side/mistakes.js'
import { exploreAll } from './write-side/report.js'
import { small } from './write-side/scenarios.js'

const STATES_MAX = 600_000

const protocol = suite('the protocol')
const holes = suite('the holes')

for (const program of new Set(small.map(({ name }) => name.split(',')[0]!))) {
  protocol(`holds for: ${program}`, () => {
    const scenarios = small.filter(({ name }) => name.startsWith(`${program},`))
    exploreAll(program, scenarios, STATES_MAX)
  })
}

for (const [name, { what, shownBy }] of Object.entries(mistakes)) {
  holes(`are found: ${what}`, () => {
    const { problem, states, trace } = explore(shownBy, name as Mistake, STATES_MAX)
    assert.ok(problem !== undefined, `${name} is not found in ${states} states of: ${shownBy.name}`)
    assert.ok(trace.length > 0)
    console.log(`\n# ${name}: after ${states} states of '${shownBy.name}': ${problem}`)
  })
}

for (const [name, { what, shownBy }] of Object.entries(harmless)) {
  holes(`are harmless: ${what}`, () => {
    const { problem, states, isCutOff } = explore(shownBy, name as Mistake, STATES_MAX)
    assert.is(problem, undefined)
    assert.not(isCutOff)
    console.log(`\n# ${name}: harmless in all ${states} states of '${shownBy.name}'`)
  })
}

protocol.run()
holes.run()
