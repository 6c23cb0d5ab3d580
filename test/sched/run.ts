// node build/test/sched/run.js BODY ... [options]
//
// Explores bodies and prints the outcomes. Bodies are named by file and key, as in `mutex.three`. --weak takes modes of the
// weak memory, as in `arm,js`. --replay runs one schedule again and prints it step by step.

import { parseArgs } from 'node:util'
import { explore, type Explored } from './explore.js'
import { MODES } from './weak.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    preemptions: { type: 'string', default: '2' },
    detours: { type: 'string' },
    deaths: { type: 'string' },
    slices: { type: 'string' },
    variant: { type: 'string' },
    weak: { type: 'string' },
    stales: { type: 'string' },
    random: { type: 'string' },
    replay: { type: 'string' },
    max: { type: 'string' },
  },
})

const { preemptions, variant, weak, replay, ...numbers } = values
const modes = weak?.split(',').map((name) => {
  const mode = MODES.find((mode) => mode === name)
  if (mode === undefined) throw new Error(`--weak takes some of ${MODES.join(', ')}`)
  return mode
})
const bounds = {
  preemptions: Number(preemptions),
  ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Number(value)])),
  ...(variant === undefined ? {} : { variant }),
  ...(modes === undefined ? {} : { weak: modes }),
  ...(replay === undefined ? {} : { replay }),
}
for (const body of positionals)
  for (const outcome of await explore({ body, ...bounds })) {
    print(outcome.mode === undefined ? body : `${body}, ${outcome.mode}`, outcome)
    if (outcome.failure) process.exitCode = 1
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
