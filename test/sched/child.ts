// Runs an exploration in a process of its own, since only `--conditions=sched` replaces Atomics by the scheduler.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { isSmall } from '../support/size.js'
import { unexplainedSlices } from './slices.js'
import type { Explored } from './explore.js'
import type { Mode } from './weak.js'

export interface Run {
  readonly body: string
  readonly preemptions: number
  readonly detours?: number
  readonly deaths?: number
  readonly slices?: number
  readonly variant?: string
  /** Modes of the weak memory, separated by commas. */
  readonly weak?: string
  readonly stales?: number
  /** The maximum number of schedules. */
  readonly max?: number
  readonly replay?: string
  /** The seed of random schedules. */
  readonly random?: number
}

export type Result = Explored & {
  readonly body: string
  readonly mode?: Mode
  readonly seconds: number
}

const optionsOf = (run: Omit<Run, 'body'>): string[] =>
  Object.entries(run).flatMap(([name, value]) => [`--${name}`, String(value)])

/** Explores bodies within the same bounds; one outcome for each body and mode. */
export async function exploreAll(bodies: readonly string[], run: Omit<Run, 'body'>): Promise<Result[]> {
  const script = fileURLToPath(new URL('run.js', import.meta.url))
  const args = ['--conditions=sched', script, ...bodies, '--json', ...optionsOf(run)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  const lines = out.trim().split('\n')
  try {
    return lines.map((line) => JSON.parse(line) as Result)
  } catch {
    throw new Error(`the exploration of ${bodies.join(', ')} said: ${out}${errors}`)
  }
}

export async function exploreInChild({ body, ...run }: Run): Promise<Result> {
  const [result] = await exploreAll([body], run)
  return result!
}

export const boundsText = ({
  preemptions,
  detours,
  deaths,
  variant,
  weak,
  stales,
}: Omit<Run, 'body'>): string =>
  [
    ...(weak === undefined ? [] : [`${weak}, stale loads ${stales ?? 0}`]),
    `preemptions ${preemptions}`,
    ...(detours === undefined ? [] : [`detours ${detours}`]),
    ...(deaths === undefined ? [] : [`deaths ${deaths}`]),
    ...(variant === undefined ? [] : [variant]),
  ].join(', ')

/** The runs that share their bounds: one process explores them, because it takes a second to start. */
export function byBounds(runs: readonly Run[]): [Omit<Run, 'body'>, string[]][] {
  const groups = new Map<string, [Omit<Run, 'body'>, string[]]>()
  for (const { body, ...bounds } of runs) {
    const key = boundsText(bounds)
    const [, bodies] = groups.get(key) ?? groups.set(key, [bounds, []]).get(key)!
    bodies.push(body)
  }
  return [...groups.values()]
}

/** At the small size an exploration ends after so many schedules. */
const SMALL_MAX = 60

/** Explores a body that must hold under every schedule within the bounds, and prints the number of schedules. */
export async function mustHold({ body, ...run }: Run): Promise<void> {
  await allMustHold([body], run)
}

/** The same for bodies, in one process. */
export async function allMustHold(bodies: readonly string[], wanted: Omit<Run, 'body'>): Promise<void> {
  const run = isSmall ? { ...wanted, max: SMALL_MAX } : wanted
  for (const result of await exploreAll(bodies, run)) {
    const { body, mode, failure, schedules, seconds } = result
    const bounds = mode === undefined ? run : { ...run, weak: mode }
    if (failure) {
      const options = optionsOf(bounds).join(' ')
      assert.unreachable(
        `${body}: ${failure.kind} at schedule ${schedules}: ${failure.text}\nrun.js ${body} ${options} --replay '${failure.schedule}'\n${failure.log}`,
      )
    }
    assert.ok(result.isComplete || run.max !== undefined)
    assert.equal(unexplainedSlices(result.slices), [])
    const cutOff = result.isComplete ? '' : ', cut off'
    console.log(
      `\n# ${body}: ${schedules} schedules (${boundsText(bounds)}${cutOff}), ${seconds.toFixed(1)} s`,
    )
  }
}
