// The simulated policies of research, with which `dcache bench replay` compares: each by an example that was worked by hand, and all
// of them by what must hold for any policy.

import { readTrace } from '#dist/cli/load-settings.js'
import { BEST, ENGINE_POLICIES, LRU, POLICIES, REFERENCES } from '#dist/bench/replay/policies.js'
import { arc } from '#dist/bench/replay/references/arc.js'
import { best } from '#dist/bench/replay/references/best.js'
import { clockPro } from '#dist/bench/replay/references/clock-pro.js'
import { FrequencySketch } from '#dist/bench/replay/references/frequency-sketch.js'
import { lirs, lirsWith } from '#dist/bench/replay/references/lirs.js'
import { lru } from '#dist/bench/replay/references/lru.js'
import { s3Fifo } from '#dist/bench/replay/references/s3-fifo.js'
import { sieve } from '#dist/bench/replay/references/sieve.js'
import { twoQueues } from '#dist/bench/replay/references/two-queues.js'
import { wTinyLfu } from '#dist/bench/replay/references/w-tiny-lfu.js'
import { hitsByPart, hitsIn, type MakeSimulator } from '#dist/bench/replay/simulator.js'
import { Lists } from '#dist/bench/replay/lists.js'
import { traceOf } from '#dist/bench/replay/trace.js'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { onlyNormal, sized } from '../support/size.js'

/** The accesses as a text: `h` for a hit, `.` for a miss. Blocks are letters. */
function hitsText(make: MakeSimulator, blocks: number, accesses: string): string {
  const trace = traceOf(Uint32Array.from(accesses, (letter) => letter.charCodeAt(0)))
  const simulator = make(trace, blocks)
  return [...trace.ids].map((id) => (simulator.access(id) ? 'h' : '.')).join('')
}

test('LRU evicts the block whose last use is the longest ago', () => {
  assert.is(hitsText(lru, 3, 'ABCADBA'), '...h..h') // D evicts B, B evicts C
})

test('the best possible evicts the block whose next use is the furthest', () => {
  assert.is(hitsText(best, 3, 'ABCADBA'), '...h.hh') // D evicts C, which is not used again
  assert.is(hitsText(best, 3, 'ABCDABEABCDE'), '....hh.hh..h')
})

test('SIEVE evicts the first block from the hand on that was not used', () => {
  // D: A was used, so the hand evicts B and is at C. E evicts C. B evicts D, since the hand has passed A.
  assert.is(hitsText(sieve, 3, 'ABCADEABE'), '...h..h.h')
})

test('S3-FIFO moves what was used twice, and what comes back from the ghosts, to the main queue', () => {
  // One block is for the small queue, three for the main one. E: A goes to the main queue, B to the ghosts. B and C return
  // from there. F: the small queue is empty, and C is the oldest of the main queue that was not used.
  assert.is(hitsText(s3Fifo, 4, 'AAABCDEBABCDFABDC'), '.hh.....hh...hhh.')
})

test('2Q keeps what comes back from the ghosts of its FIFO, for as long as the hand finds uses', () => {
  // A to D return one after the other, each while it is a ghost: the main part has all four blocks. A and C are used, A twice in one
  // period. E, a ghost, evicts B, since the hand passes A. B left no ghost: it enters the FIFO, and the hand passes C for it and evicts
  // D. F evicts B from the FIFO, so B is a ghost, and enters the main part. D evicts B, the only one without uses, and so on.
  assert.is(hitsText(twoQueues, 4, 'ABCDEABCDAACEBFACEBDBDA'), '.........hhh...hhh....h')
})

/** Its hits when it was a policy of the engine, which an independent implementation had confirmed. */
const TWO_QUEUES_HITS: Readonly<Record<string, readonly [sizes: number[], hits: number[]]>> = {
  oltp: [[1000, 2000, 5000, 10000, 20000], [373653, 429501, 511452, 571995, 623507]],
  p2: [[600, 1200, 3000, 6000, 12000], [347141, 450403, 667965, 872720, 1068805]],
  w106: [[700, 1400, 3500, 7000, 14000], [2024225, 2159488, 2262720, 2311947, 2402400]],
  sprite: [[70, 140, 350, 700, 1400], [28071, 49110, 89414, 114457, 122007]],
  gli: [[125, 250, 500, 1000], [55, 65, 965, 2105]],
} // prettier-ignore
const fileOf = (trace: string): string => join(projectRoot, `../shared/traces/${trace}.u32.gz`)

if (existsSync(fileOf('oltp'))) {
  onlyNormal(test, '2Q has the hits that it had as a policy of the engine', async () => {
    for (const [name, [sizes, hits]] of Object.entries(TWO_QUEUES_HITS)) {
      const trace = traceOf(await readTrace(fileOf(name)))
      assert.equal(
        sizes.map((blocks) => hitsIn(twoQueues, trace, blocks)),
        hits,
        name,
      )
    }
  })
} else {
  console.log('# left out: no recorded traces in ../shared/traces')
}

test('ARC moves its target with hits on ghosts', () => {
  // D evicts C, which the target of 0 leaves no place. C is a ghost: the target becomes 1, and B goes. B is a ghost of the other
  // list: the target is 0 again, and A goes.
  assert.is(hitsText(arc, 3, 'ABABCDACDBA'), '..hh..h.h..')
})

test('LIRS keeps blocks with a short distance between uses', () => {
  // A and B are LIR, two blocks are for HIR. C returns while it is in the stack: it becomes LIR in place of B, and the stack
  // loses D and E. B returns from there in place of A.
  assert.is(hitsText(lirs, 4, 'ABCDEACBDEBAC'), '.....h.h...hh')
  // E and C return in a row, but a use that repeats the one before is no return.
  assert.is(hitsText(lirs, 4, 'ABCDEEFECCA'), '.....h.h.hh')
  // C returns after seven others. A stack of three times the cache still has it, one of the cache's size does not.
  assert.is(hitsText(lirsWith(3), 4, 'ABCDEFGHCIJC'), '...........h')
  assert.is(hitsText(lirsWith(1), 4, 'ABCDEFGHCIJC'), '............')
})

test('CLOCK-Pro makes a page hot that returns while it is on test', () => {
  // A, B and C are hot at first. D returns after its eviction: it is hot, A and B become cold. A was used, so F evicts B. A
  // returns on test; the hot hand passes C, which was used, ends the tests of E and F, and makes D cold.
  assert.is(hitsText(clockPro, 4, 'ABCDEDACFBACDBE'), '......hh...hhh.')
})

test('W-TinyLFU admits what was used more often than the victim', () => {
  // One block is for the window. F and G are not admitted, E is at its third use, in place of B.
  assert.is(hitsText(wTinyLfu(0.2), 5, 'ABCDEFAGEEHBCE'), '......h..h..hh')
})

test('the sketch estimates at least the count, up to 15, and halves all after a sample', () => {
  const sketch = new FrequencySketch(64, 1000)
  for (let id = 0; id < 20; id++) for (let use = 0; use < id; use++) sketch.count(id)
  for (let id = 0; id < 20; id++) assert.ok(sketch.estimate(id) >= Math.min(15, id), `${id}`)
  assert.is(sketch.estimate(12), 12)
  const short = new FrequencySketch(64, 10)
  for (let use = 0; use < 9; use++) short.count(1)
  assert.is(short.estimate(1), 9)
  short.count(1)
  assert.is(short.estimate(1), 5)
})

test('lists keep their order', () => {
  const lists = new Lists(5, 2)
  assert.is(lists.oldest(0), undefined)
  for (const id of [0, 1, 2]) lists.push(id, 0)
  lists.push(3, 1)
  lists.push(0, 0)
  assert.equal([lists.oldest(0), lists.newest(0), lists.size(0)], [1, 0, 3])
  assert.equal([lists.newerThan(1), lists.newerThan(2), lists.newerThan(0)], [2, 0, undefined])
  lists.push(2, 1)
  assert.equal([lists.shift(1), lists.shift(1), lists.size(1)], [3, 2, 0])
  lists.remove(4)
  assert.equal([lists.has(4), lists.has(1), lists.listOf(1)], [false, true, 0])
})

/** Numbers from 0 up to 1 without 1, the same for the same seed. */
function randomOf(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32
  }
}

/** Popular blocks, a loop and repeated uses, in shares that depend on the seed. */
function randomTrace(seed: number): Uint32Array {
  const random = randomOf(seed)
  const [popular, loop, again] = [random(), random(), random() * 0.3]
  const [blocks, length] = [5 + Math.floor(random() * 60), 3 + Math.floor(random() * 40)]
  let [at, last] = [0, 0]
  return Uint32Array.from({ length: 600 }, () => {
    if (random() < again) return last
    last = random() * (popular + loop) < popular ? Math.floor(blocks * random() ** 2) : 1000 + (at++ % length)
    return last
  })
}

const seeds = Array.from({ length: sized(20, 200) }, (_, i) => i + 1)
const sizesOf = (distinct: number) => [1, 2, 3, 5, 10, 23, distinct - 1, distinct, distinct + 7].filter((size) => size > 0) // prettier-ignore

test('no policy exceeds the best possible, and with room for all blocks each misses every block once', () => {
  for (const seed of seeds) {
    const trace = traceOf(randomTrace(seed))
    const distinct = trace.names.length
    for (const blocks of sizesOf(distinct)) {
      const most = hitsIn(BEST.make, trace, blocks)
      for (const { title, make } of [...REFERENCES, ...(blocks > 1 ? ENGINE_POLICIES : [])]) {
        const hits = hitsIn(make, trace, blocks)
        assert.ok(hits <= most, `seed ${seed}, ${blocks} blocks, ${title}: ${hits} > ${most}`)
        if (blocks >= distinct) assert.is(hits, trace.ids.length - distinct, `seed ${seed}, ${title}`)
      }
    }
  }
})

test('the names of the blocks do not matter to the references', () => {
  for (const seed of seeds.slice(0, 20)) {
    const trace = randomTrace(seed)
    const renamed = trace.map((block) => Math.imul(block, 0x9e3779b1) >>> 0)
    for (const { title, make } of [...REFERENCES, BEST])
      for (const blocks of [3, 12])
        assert.is(hitsIn(make, traceOf(renamed), blocks), hitsIn(make, traceOf(trace), blocks), `seed ${seed}, ${title}`) // prettier-ignore
  }
})

test('the parts of a trace have all of its hits, and a run can be repeated', () => {
  const trace = traceOf(randomTrace(3))
  for (const { title, make } of POLICIES) {
    const hits = hitsIn(make, trace, 10)
    for (const parts of [1, 7, 100]) {
      const counts = hitsByPart(make, trace, 10, parts)
      assert.is(counts.length, parts)
      assert.is(counts.reduce((a, b) => a + b), hits, title) // prettier-ignore
    }
  }
})

/** Hits by the definitions of the two, in the simplest way. */
function naiveHits(trace: readonly number[], blocks: number, isBest: boolean): number {
  const cached: number[] = [] // in order of last use
  let hits = 0
  trace.forEach((block, i) => {
    const distance = (other: number) => {
      const next = trace.indexOf(other, i + 1)
      return next < 0 ? Infinity : next
    }
    const at = cached.indexOf(block)
    if (at >= 0) {
      hits++
      cached.splice(at, 1)
    } else if (cached.length === blocks) {
      const furthest = cached.reduce((a, b) => (distance(b) > distance(a) ? b : a))
      cached.splice(isBest ? cached.indexOf(furthest) : 0, 1)
    }
    cached.push(block)
  })
  return hits
}

test('plain LRU and the best possible are what their definitions say', () => {
  for (const seed of seeds.slice(0, 20)) {
    const blocks = randomTrace(seed).subarray(0, 300)
    for (const size of [2, 7, 20]) {
      assert.is(hitsIn(LRU.make, traceOf(blocks), size), naiveHits([...blocks], size, false), `seed ${seed}`)
      assert.is(hitsIn(BEST.make, traceOf(blocks), size), naiveHits([...blocks], size, true), `seed ${seed}`)
    }
  }
})

test.run()
