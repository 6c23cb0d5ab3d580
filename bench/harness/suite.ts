/**
 * The interface of a suite of benchmarks to the command line.
 */
import type { PolicyName } from '#dist/shared/options.js'
import type { PatternName } from '../hit/workload.js'
import type { Sizes } from '../replay/sizes.js'
import type { SuiteReport } from './report.js'

/** The options as commander collects them. A suite ignores those that it does not use. */
export interface BenchSettings {
  /** A tiny run that only shows that everything works; the figures are meaningless. */
  readonly smoke: boolean
  readonly rounds: number
  readonly sliceMs: number
  /** Undefined: the defaults of the suite. */
  readonly threads: readonly number[] | undefined
  readonly blocks: readonly number[] | undefined
  readonly patterns: readonly PatternName[]
  readonly policy: PolicyName | undefined
  readonly peers: boolean
  /** recovery: how many workers are killed. */
  readonly deaths: number
  /** replay: traces by name, and sizes of the cache in blocks. */
  readonly traces: ReadonlyMap<string, Uint32Array>
  readonly sizes: Sizes
}

export interface Suite {
  readonly name: string
  readonly about: string
  /** Duration with the default options, in the run that README quotes. */
  readonly seconds: number
  /** `say` shows progress. */
  run(settings: BenchSettings, say: (text: string) => void): Promise<SuiteReport>
}
