/**
 * Explores scenarios for a test: fails with the way to an error, or prints how many states it saw.
 */
import { explore } from './explore.js'
import type { Scenario } from './scenarios.js'

/** Explores scenarios. @throws on an error in the protocol. `label` begins the line that it prints. */
export function exploreAll(label: string, scenarios: readonly Scenario[], statesMax: number): void {
  const startMs = performance.now()
  let states = 0
  let ends = 0
  let cutOff = 0
  for (const scenario of scenarios) {
    const outcome = explore(scenario, 'none', statesMax)
    if (outcome.problem !== undefined)
      throw new Error([scenario.name, outcome.problem, ...outcome.trace].join('\n  '))
    states += outcome.states
    ends += outcome.ends
    if (outcome.isCutOff) cutOff++
  }
  const seconds = (performance.now() - startMs) / 1000
  const thousands = Math.round(states / 1000 / seconds)
  const cut = cutOff === 0 ? 'all to the end' : `${cutOff} cut off at ${statesMax} states`
  console.log(
    `\n# ${label}: ${scenarios.length} scenarios, ${states} states, ${ends} ends, ${cut}, ${seconds.toFixed(1)} s, ${thousands} thousand a second`,
  )
}
