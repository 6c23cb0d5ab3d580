// node --conditions=sched build/test/sched/run.js BODY ... [options]
//
// Explores bodies and prints the outcomes: as text, or with --json as one line for each body and mode. Bodies are named by
// file and key, as in `mutex.three`. --weak takes modes of the weak memory, as in `arm,js`. --replay runs one schedule again
// and prints it step by step.

import { parseArgs } from 'node:util'
import { explore, type Explored } from './explore.js'
import { prepareVariant } from './variants.js'
import { MODES } from './weak.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    preemptions: { type: 'string', default: '2' },
    detours: { type: 'string' },
    deaths: { type: 'string', default: '0' },
    slices: { type: 'string', default: '0' },
    variant: { type: 'string', default: '' },
    weak: { type: 'string' },
    stales: { type: 'string', default: '0' },
    random: { type: 'string' },
    replay: { type: 'string' },
    max: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const { stales, weak, json } = values
const modes = weak?.split(',').map((name) => {
  const mode = MODES.find((mode) => mode === name)
  if (mode === undefined) throw new Error(`--weak takes some of ${MODES.join(', ')}`)
  return mode
})
const number = (value: string | undefined) => (value === undefined ? undefined : Number(value))
const optional = {
  detours: number(values.detours),
  random: number(values.random),
  replay: values.replay,
  schedulesMax: number(values.max),
  modes,
}
const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
const engine = await prepareVariant([values.variant, modes && 'weak'].filter(Boolean).join('+'))
for (const body of positionals) {
  const start = performance.now()
  const outcomes = await explore({
    body,
    engine,
    preemptions: Number(values.preemptions),
    deaths: Number(values.deaths),
    slices: Number(values.slices),
    stales: Number(stales),
    ...given,
  })
  const seconds = (performance.now() - start) / 1000
  outcomes.forEach((outcome, i) => {
    const mode = modes?.[i]
    if (json) console.log(JSON.stringify({ body, mode, ...outcome, seconds }))
    else print(mode === undefined ? body : `${body}, ${mode}`, outcome)
    if (outcome.failure) process.exitCode = 1
  })
}

function print(
  what: string,
  { schedules, steps, decisionsMax, slices, isComplete, failure, log }: Explored,
): void {
  const complete = isComplete ? ', complete' : ''
  console.log(`${what}: ${schedules} schedules${complete}, ${steps} steps, up to ${decisionsMax} decisions`)
  if (Object.keys(slices).length > 0) console.log('continued only after a slice:', slices)
  if (log !== undefined) console.log(log)
  if (failure) console.log(`${failure.kind}: ${failure.text}\n--replay '${failure.schedule}'\n${failure.log}`)
}
