// Runs a property and prints its seed, so that a failure can be replayed: DCACHE_MODEL_SEED repeats the runs of a seed,
// DCACHE_MODEL_PATH selects the failing one.

import fc from 'fast-check'

/** With `isSlow`, a failure is shrunk only when it is replayed by its path. */
export async function report<T>(
  property: fc.IAsyncProperty<T>,
  numRuns: number,
  isSlow = false,
): Promise<void> {
  const { DCACHE_MODEL_SEED: seed, DCACHE_MODEL_PATH: path } = process.env
  const result = await fc.check(property, {
    numRuns,
    endOnFailure: isSlow && path === undefined,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  })
  // Begins with a newline, because the dots of the tests are on the current line.
  console.log(`\n# ${result.numRuns} runs, seed ${result.seed}`)
  if (!result.failed) return
  console.log(
    `# DCACHE_MODEL_SEED=${result.seed} DCACHE_MODEL_PATH=${result.counterexamplePath ?? ''} repeats the failure`,
  )
  console.log(result.errorInstance)
  throw new Error(fc.defaultReportMessage(result))
}
