/**
 * `replay`: counts the hits of a trace, by victim policy and size of the cache.
 */
import { blockSource } from '#dist/workload/pattern.js'
import { Random } from '#dist/workload/random.js'
import type { Column, Row } from '../harness/report.js'
import type { Suite } from '../harness/suite.js'
import { hitsOf } from './policy-replay.js'
import { bestHits, lruHits } from './references.js'
import { restartRow, RESTARTS } from './restart.js'

const RATIOS: readonly Column[] = [
  { key: 'lru', title: 'plain LRU', unit: '%' },
  { key: 'lru2', title: 'lru2', unit: '%' },
  { key: 'twoQueues', title: '2q', unit: '%' },
  { key: 'best', title: 'best possible', unit: '%' },
]

/** Shares of the trace's distinct blocks, used if no sizes are given. */
const SHARES = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2]

export const replay: Suite = {
  name: 'replay',
  about:
    'a recorded trace (--trace) through the victim policies: hit ratio, compared with plain LRU and the best possible',
  seconds: 20,
  async run(settings, say) {
    const startMs = performance.now()
    const traces = new Map(settings.traces)
    const leftOut: string[] = []
    if (traces.size === 0) {
      traces.set('made up', madeUp(settings.smoke ? 5000 : 500_000))
      leftOut.push('recorded traces: none was given with --trace; a synthetic one is used')
    }
    const rows: Row[] = []
    const restarts: Row[] = []
    for (const [name, trace] of traces) {
      say(`replay: ${name}, a restart`)
      restarts.push(await restartRow(name, trace, settings.smoke ? 2000 : 400_000))
      const distinct = new Set(trace).size
      const sizes = settings.sizes ?? SHARES.map((share) => Math.max(2, Math.round(share * distinct)))
      for (const blocks of new Set(sizes)) {
        say(`replay: ${name}, ${blocks} blocks`)
        const percent = (hits: number) => (100 * hits) / trace.length
        rows.push({
          parameters: { trace: name, accesses: trace.length, distinct, blocks },
          figures: {
            lru: percent(lruHits(trace, blocks)),
            lru2: percent(hitsOf(trace, blocks, 'lru2')),
            twoQueues: percent(hitsOf(trace, blocks, '2q')),
            best: percent(bestHits(trace, blocks)),
          },
        })
      }
    }
    return {
      name: 'replay',
      title: 'Hit ratios',
      about: 'Traces replayed through the victim policies.',
      sections: [
        {
          name: 'ratios',
          title: 'Hits by policy',
          about:
            "Share of the accesses that are hits. The engine's policies decide; the cache around them is simulated. The " +
            'best possible knows the future, so no policy can exceed it.',
          columns: RATIOS,
          rows,
        },
        {
          name: 'restarts',
          title: 'Hits after a restart',
          about:
            'The engine replays the first half of the trace, is closed and opened again, and replays a tenth of the rest, of which ' +
            'the share of hits is given: cold, and with the list of what was cached (the option `warm`), once the blocks are read ' +
            'back. The cache has an eighth of the distinct blocks, policy 2q. At most 400,000 accesses of a trace.',
          columns: RESTARTS,
          rows: restarts,
        },
      ],
      leftOut,
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

/** Popular blocks, scans and a loop. It exercises every policy, but is not representative. */
function madeUp(accesses: number): Uint32Array {
  const random = new Random(1, 0)
  const blocks = Math.max(100, accesses >>> 4)
  const popular = blockSource({ kind: 'zipf', exponent: 0.9 }, blocks, random, 0, 1)
  let [scan, loop] = [blocks, 0]
  return Uint32Array.from({ length: accesses }, () => {
    const kind = random.unit()
    if (kind < 0.6) return popular()
    return kind < 0.8 ? scan++ : loop++ % Math.max(10, blocks >>> 4)
  })
}
