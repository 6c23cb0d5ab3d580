/**
 * The explorer: runs scenario after scenario and judges every disk image that a crash could have left at any point, until
 * it has seen enough different images or found an error.
 */
import { join } from 'node:path'
import { CrashWalk } from './crash-points.js'
import { loadEngine } from './engine.js'
import { Crew, type Run } from './harness.js'
import { scenarioOf } from './scenario.js'
import { cutDown, save, tell } from './story.js'

export interface ExploreOptions {
  /** The folder of the compiled engine. */
  readonly dist: string
  readonly firstSeed: number
  /** Ends after this many different images, ... */
  readonly images: number
  /** ... but not before this many runs, ... */
  readonly leastRuns: number
  /** ... and always after this time. */
  readonly limitMs: number
  readonly operations: number
  /** How long a client waits for a block. */
  readonly patienceMs: number
  /** The folder in which a failing case is saved. */
  readonly folder: string
}

export interface Explored {
  readonly images: number
  readonly judged: number
  readonly runs: number
  readonly records: number
  readonly seconds: number
  /** The full description of an error; undefined if there is none. */
  readonly failure: string | undefined
}

export async function explore(options: ExploreOptions): Promise<Explored> {
  const startMs = performance.now()
  const seen = new Set<number>()
  const crew = new Crew(await loadEngine(options.dist), options.dist)
  let [judged, runs, records] = [0, 0, 0]
  let failure: string | undefined
  const isOver = () =>
    performance.now() - startMs > options.limitMs ||
    (seen.size >= options.images && runs >= options.leastRuns)
  try {
    while (failure === undefined && !isOver()) {
      const run = await crew.run(scenarioOf(options.firstSeed + runs, options.operations, options.patienceMs))
      runs++
      records += run.records.length
      const walk = new CrashWalk(run.scenario, run.records, { samples: 12, completeUpTo: 5, seen })
      failure = judge(run, walk, options.folder)
      judged += walk.judged
    }
  } finally {
    await crew.terminate()
  }
  return { images: seen.size, judged, runs, records, seconds: (performance.now() - startMs) / 1000, failure }
}

/** A crash image that breaks a promise is reported first: it tells more than the errors that threads noticed. */
function judge(run: Run, walk: CrashWalk, folder: string): string | undefined {
  const finding = walk.run()
  const noticed = run.errors.map((error) => `seed ${run.scenario.seed}: ${error}`)
  if (finding) {
    const small = cutDown(run, finding)
    noticed.unshift(tell(small, finding), `  saved as ${save(folder, small)}`)
  }
  return noticed.length === 0 ? undefined : noticed.join('\n')
}

/** The folder for failing cases of a copy of the engine. */
export const caseFolder = (root: string, name: string): string => join(root, 'build', 'crash', name)
