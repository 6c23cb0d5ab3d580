/**
 * The policies that a trace is replayed through, in the order of the tables: those of the engine, the references, and the best
 * possible choice. A new policy of the engine is one line here.
 */
import { enginePolicy } from './policy-replay.js'
import { arc } from './references/arc.js'
import { best } from './references/best.js'
import { clockPro } from './references/clock-pro.js'
import { lirs } from './references/lirs.js'
import { lru } from './references/lru.js'
import { s3Fifo } from './references/s3-fifo.js'
import { sieve } from './references/sieve.js'
import { twoQueues } from './references/two-queues.js'
import { wTinyLfu } from './references/w-tiny-lfu.js'
import type { MakeSimulator } from './simulator.js'

export interface ComparedPolicy {
  /** Of its figures. */
  readonly key: string
  readonly title: string
  readonly make: MakeSimulator
}

/** The first is the default of `openCache`. */
export const ENGINE_POLICIES: readonly ComparedPolicy[] = [
  { key: 'adaptive', title: 'adaptive', make: enginePolicy('adaptive') },
  { key: 'lru2', title: 'lru2', make: enginePolicy('lru2') },
]

export const LRU: ComparedPolicy = { key: 'lru', title: 'plain LRU', make: lru }
/** The variant of 2Q that was the engine's. */
export const TWO_QUEUES: ComparedPolicy = { key: 'twoQueues', title: '2q', make: twoQueues }
export const BEST: ComparedPolicy = { key: 'best', title: 'best possible', make: best }
export const W_TINY_LFU_20: ComparedPolicy = { key: 'wTinyLfu20', title: 'W-TinyLFU (20 %)', make: wTinyLfu(0.2) } // prettier-ignore

export const REFERENCES: readonly ComparedPolicy[] = [
  LRU,
  TWO_QUEUES,
  { key: 'arc', title: 'ARC', make: arc },
  { key: 'lirs', title: 'LIRS', make: lirs },
  { key: 'clockPro', title: 'CLOCK-Pro', make: clockPro },
  { key: 's3Fifo', title: 'S3-FIFO', make: s3Fifo },
  { key: 'sieve', title: 'SIEVE', make: sieve },
  { key: 'wTinyLfu1', title: 'W-TinyLFU (1 %)', make: wTinyLfu(0.01) },
  W_TINY_LFU_20,
]

export const POLICIES: readonly ComparedPolicy[] = [...ENGINE_POLICIES, ...REFERENCES, BEST]

/** Those whose hits over time are shown. More lines could not be told apart. */
export const OVER_TIME: readonly ComparedPolicy[] = [...ENGINE_POLICIES, LRU, TWO_QUEUES, W_TINY_LFU_20, BEST]
