// @deadline 600
// Exploration of the rules of a journal: every order of steps of small groups, with crashes, failures, deaths of the flush
// worker, recoveries that are stopped and orderly ends. Each mistake that the rules might have had is seeded and must show.
//
// Not modelled: what tears a record, and what may make it whole later (test/crash/journal.test.ts has sectors); how a commit is
// released; several groups.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sample } from '../support/size.js'
import { explore } from './journal/explore.js'
import type { Budget, Rule, Scenario } from './journal/model.js'

const STATES_MAX = 3_000_000

const programs: Readonly<Record<string, Omit<Scenario, 'budget'>>> = {
  two: { blocks: 2, commits: [[0, 1], [0], [0, 1]] },
  apart: { blocks: 2, commits: [[0], [1], [0], [1]] },
  three: {
    blocks: 3,
    commits: [
      [0, 1],
      [1, 2],
      [0, 2],
    ],
  },
  twice: { blocks: 2, commits: [[0], [0], [1], [1]] },
  four: { blocks: 2, commits: [[0, 1], [0], [0], [0, 1], [1]] },
}

const budgets: readonly Budget[] = [
  { crashes: 1 },
  { crashes: 2 },
  { crashes: 1, journalFails: 1 },
  { crashes: 2, journalFails: 1 },
  { crashes: 1, journalFails: 2 },
  { crashes: 1, placeFails: 1 },
  { crashes: 1, misfits: 1 },
  { crashes: 1, placeFails: 1, misfits: 2 },
  { crashes: 2, placeFails: 1 },
  { crashes: 1, closes: 1 },
  { crashes: 1, closes: 1, outside: 1 },
  { crashes: 2, closes: 1, outside: 1 },
  { crashes: 3 },
  { crashes: 1, journalFails: 1, placeFails: 1 },
  { crashes: 1, flushDeaths: 1 },
  { crashes: 2, flushDeaths: 1 },
  { crashes: 1, flushDeaths: 2 },
  { crashes: 1, journalFails: 1, misfits: 1 },
]

const scenarios = budgets.flatMap((budget) =>
  Object.entries(programs).map(([name, program]) => ({
    name: `${name} ${JSON.stringify(budget)}`,
    ...program,
    budget,
  })),
)

const protocol = suite('the protocol')
const mistakes = suite('mistakes')

protocol('holds', () => {
  const startMs = performance.now()
  let states = 0
  const explored = sample(scenarios, 20)
  for (const scenario of explored) {
    const outcome = explore(scenario, { neighboursOnly: true }, STATES_MAX)
    assert.is(outcome.problem, undefined, [scenario.name, ...outcome.trace].join('\n  '))
    assert.not(outcome.isCutOff, scenario.name)
    states += outcome.states
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  console.log(`\n# ${explored.length} scenarios, ${states} states, all to the end, ${seconds} s`)
})

const MISTAKES: Readonly<Record<Exclude<Rule, 'neighboursOnly'>, string>> = {
  halfReusedTooEarly: 'a half is used again before its blocks are durable in place',
  inPlaceBeforeSync: 'blocks are written in place before the journal is synced',
  noSync: 'the journal is not synced',
  noPlaceSync: 'a half is free before the partitions are synced',
  failedPlaceIgnored: 'a failed sync of the partitions frees the half',
  placesChanged: 'a block that was changed since it was journaled is written in place',
  keepsNoImages: 'a change of a block that the older half owes keeps no image',
  forgetsChanged: 'a half is free although a block that was changed since is in its records only',
  checksumOfHeaderOnly: 'the checksum is over the header only',
  failedCountsAsJournaled: 'a record that failed counts as journaled',
  retryInTheOtherHalf: 'a record that failed is tried again in the other half',
  failureUsesTheNumber: 'a record that failed uses its number up',
  replayNewestOnly: 'only the half that was begun last is replayed',
  replayLastOnly: 'only the last record of each half is replayed',
  staleFollows: 'a record of an earlier turn counts if its number follows',
  replaysAPart: 'what is left of a half that was being begun again is replayed',
  failedSkipsASlot: 'a record that failed is tried again behind it',
  keepsPlacedBlocks: 'a block that was written in place is not written again for a later record of the half',
  replayInHalfOrder: 'records are replayed in the order of the halves',
  numbersRestart: 'numbers restart after recovery',
  beginsWithHalfZero: 'half 0 comes first after recovery',
  recoveryWithoutSync: 'recovery does not sync the partitions',
  cleanOnceJournaled: 'a block is clean once it is journaled',
  erasesTogether: 'an orderly end erases both halves with one sync',
  erasesNewestFirst: 'an orderly end erases the newer half first',
  newestImages: 'newest images are written, as in groups without a journal',
  earlyStamps: 'releases take no mutex, as in groups without a journal',
}

for (const [rule, what] of sample(Object.entries(MISTAKES), 6)) {
  // Most of them must show in what recovery reads, and not only because it refuses the numbers.
  const neighboursOnly = rule === 'failureUsesTheNumber' ? ({ neighboursOnly: true } as const) : {}
  mistakes(`are found: ${what}`, () => {
    for (const scenario of scenarios) {
      const { problem, states, trace } = explore(scenario, { [rule]: true, ...neighboursOnly }, STATES_MAX)
      if (problem === undefined) continue
      assert.ok(trace.length > 0)
      console.log(
        `\n# ${rule}: after ${states} states of '${scenario.name}', ${trace.length} steps: ${problem}`,
      )
      return
    }
    assert.unreachable(`${rule} is not found`)
  })
}

protocol.run()
mistakes.run()
