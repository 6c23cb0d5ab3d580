// Hit ratios of the victim policies: on a synthetic trace, and on recorded ones if they are available, in ../shared/traces
// next to the project.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { onlyNormal } from '../support/size.js'
import type { PolicyName } from '#dist/shared/options.js'
import { hitsOf } from '#dist/bench/replay/policy-replay.js'
import { lru } from '#dist/bench/replay/references/lru.js'
import { hitsIn } from '#dist/bench/replay/simulator.js'
import { traceOf } from '#dist/bench/replay/trace.js'

const folder = join(projectRoot, '../shared/traces')

/** Cache sizes in blocks, and the hits of `adaptive`. A prototype in C has the same, to the last hit. */
const traces: Record<string, { sizes: number[]; adaptive: number[] }> = {
  oltp: { sizes: [1000, 2000, 5000, 10000, 20000], adaptive: [374083, 429358, 509050, 577419, 627061] },
  p2: { sizes: [600, 1200, 3000, 6000, 12000], adaptive: [363270, 435691, 659553, 880486, 1086885] },
  w106: { sizes: [700, 1400, 3500, 7000, 14000], adaptive: [2023824, 2150614, 2258048, 2315991, 2428980] },
  sprite: { sizes: [70, 140, 350, 700, 1400], adaptive: [28116, 51561, 89075, 114832, 122731] },
  gli: { sizes: [125, 250, 500, 1000], adaptive: [417, 915, 1831, 2844] },
} // prettier-ignore
/** The ancestor's hits with its overflow fixed: [trace, blocks, hits]. */
const ancestor: [string, number, number][] = [
  ['oltp', 1000, 298_834],
  ['oltp', 5000, 491_268],
  ['p2', 3000, 579_296],
  ['sprite', 350, 86_437],
  ['w106', 3500, 2_186_470],
  ['gli', 1000, 681],
]

const fileOf = (name: string): string => join(folder, `${name}.u32.gz`)

function readTrace(name: string): Uint32Array {
  const { buffer, byteOffset, byteLength } = gunzipSync(readFileSync(fileOf(name)))
  return new Uint32Array(buffer.slice(byteOffset, byteOffset + byteLength))
}

/** The hits must agree to a tenth of a point: the shape of the heap breaks ties. */
function isSame(hits: number, known: number, accesses: number): void {
  const points = (100 * (hits - known)) / accesses
  assert.ok(Math.abs(points) <= 0.1, `${hits} hits, expected ${known}: ${points.toFixed(2)} points`)
}

/** Half of the accesses go to a few hot blocks, lower numbers more often; a third are a scan; the rest a loop. */
function synthetic(): Uint32Array {
  let seed = 7
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32
  }
  let scan = 0
  let loop = 0
  return Uint32Array.from({ length: 60_000 }, () => {
    const kind = random()
    if (kind < 1 / 2) return Math.floor(300 * random() ** 3)
    if (kind < 5 / 6) return 10_000 + scan++
    return 1000 + (loop++ % 150)
  })
}

test('on a synthetic trace the policies have their known hits', () => {
  const trace = synthetic()
  const known: [PolicyName, number, number][] = [
    ['lru2', 100, 12_166],
    ['lru2', 300, 19_311],
    ['adaptive', 100, 18_924],
    ['adaptive', 300, 31_481],
  ]
  for (const [policy, blocks, hits] of known) isSame(hitsOf(trace, blocks, policy), hits, trace.length)
})

/** Repeats each access sixteen times in a row. */
function bursts(trace: Uint32Array): Uint32Array {
  const many = new Uint32Array(trace.length * 16)
  trace.forEach((block, i) => many.fill(block, 16 * i, 16 * i + 16))
  return many
}

/** How many more misses a trace has with bursts, in percent of its accesses without them. */
function burstPoints(trace: Uint32Array, blocks: number, name: PolicyName): number {
  const many = bursts(trace)
  const misses = (accesses: Uint32Array) => accesses.length - hitsOf(accesses, blocks, name)
  return (100 * (misses(many) - misses(trace))) / trace.length
}

test('adaptive: sixteen accesses in a row count as much as one', () => {
  for (const blocks of [20, 100, 300]) {
    const points = burstPoints(synthetic(), blocks, 'adaptive')
    assert.ok(Math.abs(points) <= 0.1, `${blocks} blocks: ${points} points`)
  }
})

if (existsSync(fileOf('oltp'))) {
  onlyNormal(test, 'adaptive: bursts cost recorded traces nothing', () => {
    let worst = 0
    for (const [name, { sizes }] of Object.entries(traces)) {
      const trace = readTrace(name).subarray(0, 50_000)
      for (const blocks of sizes.slice(0, 3)) worst = Math.max(worst, burstPoints(trace, blocks, 'adaptive'))
    }
    console.log(`\n# recorded traces, adaptive: bursts cost ${worst.toFixed(2)} points`)
    assert.ok(worst <= 0.1, String(worst))
  })

  onlyNormal(test, 'lru2 has the hits of the ancestor', () => {
    for (const [name, blocks, known] of ancestor) {
      const trace = readTrace(name)
      isSame(hitsOf(trace, blocks, 'lru2'), known, trace.length)
    }
  })

  onlyNormal(test, 'adaptive has the hits of its prototype, on average at least 54.5 %', () => {
    const ratios = Object.entries(traces).map(([name, { sizes, adaptive }]) => {
      const trace = readTrace(name)
      const hits = sizes.map((blocks) => hitsOf(trace, blocks, 'adaptive'))
      assert.equal(hits, adaptive, name)
      return (100 * hits.reduce((a, b) => a + b)) / hits.length / trace.length
    })
    const mean = ratios.reduce((a, b) => a + b) / ratios.length
    console.log(`\n# recorded traces, adaptive: ${mean.toFixed(1)} % hits in the mean`)
    assert.ok(mean >= 54.5, `${mean} %`)
  })

  onlyNormal(test, 'adaptive: no trace has one point fewer hits than with LRU', () => {
    let least = Infinity
    for (const [name, { sizes, adaptive }] of Object.entries(traces)) {
      const trace = readTrace(name)
      const numbered = traceOf(trace)
      sizes.forEach((blocks, i) => {
        least = Math.min(least, (100 * (adaptive[i]! - hitsIn(lru, numbered, blocks))) / trace.length)
      })
    }
    console.log(`\n# recorded traces, adaptive: ${least.toFixed(2)} points over LRU at least`)
    assert.ok(least >= -1, String(least))
  })
} else {
  console.log(`# left out: no recorded traces in ../shared/traces`)
}

test.run()
