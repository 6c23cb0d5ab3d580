// Runs an exploration in a process of its own, since only `--conditions=sched` replaces Atomics by the scheduler.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { isSmall } from '../support/size.js'
import { unexplainedSlices } from './slices.js'
import type { Explored } from './explore.js'

export interface Run {
  readonly body: string
  readonly preemptions: number
  readonly detours?: number
  readonly deaths?: number
  readonly slices?: number
  readonly variant?: string
  /** The maximum number of schedules. */
  readonly max?: number
  readonly replay?: string
}

export type Result = Explored & { readonly seconds: number }

const optionsOf = ({ body: _, ...rest }: Run): string[] =>
  Object.entries(rest).flatMap(([name, value]) => [`--${name}`, String(value)])

export async function exploreInChild(run: Run): Promise<Result> {
  const script = fileURLToPath(new URL('run.js', import.meta.url))
  const child = spawn(
    process.execPath,
    ['--conditions=sched', script, run.body, '--json', ...optionsOf(run)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let [out, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  try {
    return JSON.parse(out) as Result
  } catch {
    throw new Error(`the exploration of ${run.body} said: ${out}${errors}`)
  }
}

const boundsText = ({ preemptions, detours, deaths, variant }: Run): string =>
  [
    `preemptions ${preemptions}`,
    ...(detours === undefined ? [] : [`detours ${detours}`]),
    ...(deaths === undefined ? [] : [`deaths ${deaths}`]),
    ...(variant === undefined ? [] : [variant]),
  ].join(', ')

/** At the small size an exploration ends after so many schedules. */
const SMALL_MAX = 60

/** Explores a body that must hold under every schedule within the bounds, and prints the number of schedules. */
export async function mustHold(wanted: Run): Promise<Result> {
  const run = isSmall ? { ...wanted, max: SMALL_MAX } : wanted
  const result = await exploreInChild(run)
  const { failure, schedules, seconds } = result
  if (failure) {
    const options = optionsOf(run).join(' ')
    assert.unreachable(
      `${run.body}: ${failure.kind} at schedule ${schedules}: ${failure.text}\nrun.js ${run.body} ${options} --replay '${failure.schedule}'\n${failure.log}`,
    )
  }
  assert.ok(result.isComplete || run.max !== undefined)
  assert.equal(unexplainedSlices(result.slices), [])
  const cutOff = result.isComplete ? '' : ', cut off'
  console.log(
    `\n# ${run.body}: ${schedules} schedules (${boundsText(run)}${cutOff}), ${seconds.toFixed(1)} s`,
  )
  return result
}
