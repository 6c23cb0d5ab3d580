// Hit ratios by which the simulated policies of research are checked: numbers that were published, and the output of programs that
// the authors of the policies have published, run on the same traces. All are in percent of the accesses.
//
// docs/benchmarks.md has these rows as a table, with what the simulators here give.

import { arc } from '#dist/bench/replay/references/arc.js'
import { clockPro } from '#dist/bench/replay/references/clock-pro.js'
import { lirs, lirsWith } from '#dist/bench/replay/references/lirs.js'
import { lru } from '#dist/bench/replay/references/lru.js'
import { s3Fifo } from '#dist/bench/replay/references/s3-fifo.js'
import { sieve } from '#dist/bench/replay/references/sieve.js'
import { wTinyLfu } from '#dist/bench/replay/references/w-tiny-lfu.js'
import type { MakeSimulator } from '#dist/bench/replay/simulator.js'

export interface PublishedHits {
  readonly policy: string
  readonly make: MakeSimulator
  readonly trace: string
  /** Where the numbers are from. */
  readonly from: string
  readonly sizes: readonly number[]
  readonly theirs: readonly number[]
  /** By how many points ours may differ: 0.02 if only the last digit may, since sources round and cut. */
  readonly points: number
}

const SAME = 0.02
const OLTP = [1000, 2000, 5000, 10000, 20000]
const SPRITE = [70, 140, 350, 700, 1400]
const GLI = [125, 250, 500, 1000]

/** Quoted from memory: the paper was not at hand. */
const ARC_PAPER = 'the ARC paper, from memory'
const LIRS_PROGRAM = "the authors' lirs.c, stack without limit"
const LIRS_PROGRAM_3 = "the authors' lirs.c, stack of 3 caches"
const CLOCK_PRO_PROGRAM = "the authors' clock-pro.c, adaptive, 1 to 99 % cold"
const LIB_CACHE_SIM = "the authors' libCacheSim"
const CAFFEINE = "the authors' simulator of Caffeine"
const BIT_FASTER = 'runs that BitFaster.Caching has published'

/** The program of W-TinyLFU's authors makes its sample of the next power of two. */
const likeCaffeine = (window: number) => wTinyLfu(window, (blocks) => 10 * 2 ** Math.ceil(Math.log2(blocks)))

type Rest = Omit<PublishedHits, 'policy' | 'make'>
const rows = (policy: string, make: MakeSimulator, ...all: Rest[]): PublishedHits[] =>
  all.map((rest) => ({ policy, make, ...rest }))
const row = (
  trace: string,
  from: string,
  sizes: readonly number[],
  theirs: readonly number[],
  points: number,
): Rest => ({ trace, from, sizes, theirs, points })

/** What Caffeine's simulator gives for `oltp`, `sprite` and `gli`. */
const CAFFEINE_1 = [
  [35.66, 42.06, 52.32, 58.98, 61.9],
  [24.63, 40.24, 64.53, 77.82, 86.02],
  [7.6, 16.13, 33.15, 50.12],
]
const CAFFEINE_20 = [
  [41.32, 47.04, 55.35, 61.73, 66.67],
  [23.18, 39.14, 65.13, 82.33, 90.07],
  [6.25, 13.12, 26.85, 43.86],
]
const caffeine = ([oltp, sprite, gli]: readonly (readonly number[])[], points: number): Rest[] => [
  row('oltp', CAFFEINE, OLTP, oltp!, points),
  row('sprite', CAFFEINE, SPRITE, sprite!, points),
  row('gli', CAFFEINE, GLI, gli!, points),
]

export const PUBLISHED: readonly PublishedHits[] = [
  ...rows(
    'plain LRU',
    lru,
    row('oltp', BIT_FASTER, [250, 500, 750, 1000, 1500, 2000], [16.47, 23.45, 28.28, 32.83, 38.7, 42.47], SAME),
    row('oltp', ARC_PAPER, [1000, 2000, 5000, 10000, 15000], [32.83, 42.47, 53.65, 60.7, 64.63], SAME),
    row('gli', BIT_FASTER, [250, 500, 750, 1000, 1500, 2000], [0.91, 0.95, 1.15, 11.21, 36.56, 57.41], SAME),
  ),
  ...rows(
    'ARC',
    arc,
    row('oltp', ARC_PAPER, [1000, 2000, 5000, 10000, 15000], [38.93, 46.08, 55.25, 61.87, 65.4], SAME),
  ),
  ...rows(
    'LIRS, no limit',
    lirsWith(Infinity),
    row('oltp', ARC_PAPER, [1000, 2000, 10000, 15000], [34.8, 42.51, 60.35, 63.99], SAME),
    row('oltp', LIRS_PROGRAM, [1000, 5000], [34.8, 52.8], SAME),
    row('sprite', LIRS_PROGRAM, SPRITE, [16.91, 34.25, 64.57, 83.77, 89.45], SAME),
    row('gli', LIRS_PROGRAM, GLI, [8.86, 17.17, 33.6, 50.72], SAME),
  ),
  ...rows(
    'LIRS',
    lirs,
    row('sprite', LIRS_PROGRAM_3, SPRITE, [17.67, 34.31, 64.56, 83.77, 89.45], SAME),
    row('gli', LIRS_PROGRAM_3, GLI, [7.66, 15.98, 33.6, 50.72], SAME),
  ),
  ...rows(
    'CLOCK-Pro',
    clockPro,
    row('sprite', CLOCK_PRO_PROGRAM, SPRITE, [20.71, 36.46, 65.25, 85.04, 90.71], 0.7),
    row('gli', CLOCK_PRO_PROGRAM, GLI, [7.66, 15.98, 33.2, 50.72], 0.7),
  ),
  ...rows(
    'S3-FIFO',
    s3Fifo,
    row('oltp', LIB_CACHE_SIM, OLTP, [40.84, 47.01, 55.88, 62.64, 68.32], SAME),
    row('sprite', LIB_CACHE_SIM, SPRITE, [21.24, 37.25, 66.71, 85.97, 91.59], 0.1),
    row('gli', LIB_CACHE_SIM, GLI, [1.13, 1.21, 16.13, 35.05], SAME),
  ),
  ...rows(
    'SIEVE',
    sieve,
    row('oltp', LIB_CACHE_SIM, OLTP, [32.56, 41.19, 51.89, 60.47, 67.72], SAME),
    row('sprite', LIB_CACHE_SIM, SPRITE, [19.29, 31.71, 60.04, 81.43, 89.2], SAME),
    row('gli', LIB_CACHE_SIM, GLI, [1.38, 1.38, 1.38, 31.34], SAME),
  ),
  ...rows('W-TinyLFU (1 %), their sample', likeCaffeine(0.01), ...caffeine(CAFFEINE_1, 1)),
  ...rows('W-TinyLFU (20 %), their sample', likeCaffeine(0.2), ...caffeine(CAFFEINE_20, 0.6)),
  ...rows('W-TinyLFU (1 %)', wTinyLfu(0.01), ...caffeine(CAFFEINE_1, 3)),
  ...rows('W-TinyLFU (20 %)', wTinyLfu(0.2), ...caffeine(CAFFEINE_20, 1.5)),
] // prettier-ignore
