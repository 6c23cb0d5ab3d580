// node --conditions=sched build/test/sched/run.js BODY [options]
//
// Explores one body and prints the outcome: as text, or with --json as one line. Bodies are named by file and key, as
// in `mutex.three`. --replay runs one schedule again and prints it step by step.

import { parseArgs } from 'node:util'
import { explore } from './explore.js'
import { prepareVariant } from './variants.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    preemptions: { type: 'string', default: '2' },
    detours: { type: 'string' },
    deaths: { type: 'string', default: '0' },
    slices: { type: 'string', default: '0' },
    variant: { type: 'string', default: '' },
    replay: { type: 'string' },
    max: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const variant = prepareVariant(values.variant)
try {
  const start = performance.now()
  const result = await explore({
    body: positionals[0] ?? '',
    dist: variant.dist,
    preemptions: Number(values.preemptions),
    deaths: Number(values.deaths),
    slices: Number(values.slices),
    ...(values.detours === undefined ? {} : { detours: Number(values.detours) }),
    ...(values.replay === undefined ? {} : { replay: values.replay }),
    ...(values.max === undefined ? {} : { schedulesMax: Number(values.max) }),
  })
  const seconds = (performance.now() - start) / 1000
  if (values.json) {
    console.log(JSON.stringify({ ...result, seconds }))
  } else {
    const { schedules, steps, decisionsMax, slices, isComplete, failure } = result
    console.log(`${schedules} schedules${isComplete ? ', complete' : ''}, ${steps} steps, up to ${decisionsMax} decisions, ${seconds.toFixed(1)} s`) // prettier-ignore
    if (Object.keys(slices).length > 0) console.log('continued only after a slice:', slices)
    if (failure)
      console.log(`${failure.kind}: ${failure.text}\n--replay '${failure.schedule}'\n${failure.log}`)
    process.exitCode = failure ? 1 : 0
  }
} finally {
  variant.remove()
}
