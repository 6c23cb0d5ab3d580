// What the suites need to show that a body holds.

import * as assert from 'uvu/assert'
import { isSmall } from '../support/size.js'
import { explore, type Run } from './explore.js'
import { unexplainedSlices } from './slices.js'

export const boundsText = ({
  preemptions,
  detours,
  deaths,
  variant,
  weak,
  stales,
}: Omit<Run, 'body'>): string =>
  [
    ...(weak === undefined ? [] : [`${weak.join(',')}, stale loads ${stales ?? 0}`]),
    `preemptions ${preemptions}`,
    ...(detours === undefined ? [] : [`detours ${detours}`]),
    ...(deaths === undefined ? [] : [`deaths ${deaths}`]),
    ...(variant === undefined ? [] : [variant]),
  ].join(', ')

/** At the small size an exploration ends after so many schedules. */
const SMALL_MAX = 60

/** Explores a body that must hold under every schedule within the bounds, and prints the number of schedules. */
export async function mustHold({ body, ...wanted }: Run): Promise<void> {
  const run = isSmall ? { ...wanted, max: SMALL_MAX } : wanted
  for (const { mode, failure, schedules, slices, isComplete, seconds } of await explore({ body, ...run })) {
    const bounds = mode === undefined ? run : { ...run, weak: [mode] }
    if (failure) {
      const options = Object.entries(bounds).map(([name, value]) => `--${name} ${String(value)}`)
      assert.unreachable(
        `${body}: ${failure.kind} at schedule ${schedules}: ${failure.text}\nrun.js ${body} ${options.join(' ')} --replay '${failure.schedule}'\n${failure.log}`,
      )
    }
    assert.ok(isComplete || run.max !== undefined)
    assert.equal(unexplainedSlices(slices), [])
    const cutOff = isComplete ? '' : ', cut off'
    console.log(
      `\n# ${body}: ${schedules} schedules (${boundsText(bounds)}${cutOff}), ${seconds.toFixed(1)} s`,
    )
  }
}
