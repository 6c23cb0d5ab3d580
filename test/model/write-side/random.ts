/**
 * Random scenarios, the same for the same seed: two scripts over two or three blocks, with a few faults.
 */
import {
  change,
  changeAsync,
  changeHalf,
  discard,
  discardHalf,
  flush,
  forget,
  give,
  hold,
  type Limits,
  look,
  type Operation,
  type Scenario,
  write,
} from './scenarios.js'
import { CLIENTS, SPARES_MAX, VERSIONS } from './state.js'

/** A linear congruential generator: whole numbers below `n`. */
function dice(seed: number): (n: number) => number {
  let state = seed >>> 0
  return (n) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) % n
  }
}

const limits: readonly Limits[] = [
  { kicks: 1 },
  { failedSyncs: 1, kicks: 1 },
  { failedWrites: 1, kicks: 1 },
  { failedSyncs: 2 },
  { clientDeaths: 1, kicks: 1 },
  { clientDeaths: 2 },
  { clientDeaths: 1, failedSyncs: 1 },
  { clientDeaths: 1, flushWorkerDeaths: 1 },
  { writerDeaths: 1, failedSyncs: 1 },
  { flushWorkerDeaths: 1, failedSyncs: 1 },
  { flushWorkerDeaths: 1, writerDeaths: 1 },
  { evictions: 2, kicks: 2 },
]

export function randomScenario(seed: number): Scenario {
  const below = dice(seed)
  below(2)
  const blocks = 2 + below(2)
  const partitionOf = [0, below(3) === 0 ? 0 : 1, 0].slice(0, blocks)
  const left = Array.from({ length: blocks }, () => VERSIONS - 1)
  const scripts = Array.from({ length: CLIENTS }, () => randomScript(below, left))
  const budget = limits[below(limits.length)]!
  const spares = 1 + below(SPARES_MAX)
  return { name: `seed ${seed}: ${describe(scripts, spares, budget)}`, partitionOf, spares, scripts, budget }
}

/**
 * A client may hold one block while it uses others: always the one with the lowest number, so that no cycle of waits is
 * possible.
 */
function randomScript(below: (n: number) => number, left: number[]): Operation[] {
  const script: Operation[] = []
  const blocks = left.length
  const held = below(3) === 0 ? 0 : -1
  const heldClass = 1 + below(3)
  const mayChange = (block: number): boolean => left[block]!-- > 0
  if (held >= 0 && mayChange(held)) script.push(hold(held))
  const isHolding = script.length > 0
  for (let operations = 2 + below(3); operations > 0; operations--) {
    const block = isHolding ? 1 + below(blocks - 1) : below(blocks)
    script.push(...randomUse(below, block, mayChange, isHolding))
  }
  if (isHolding) script.push(give(held, heldClass))
  if (below(2) === 0) script.push(flush)
  return script
}

function randomUse(
  below: (n: number) => number,
  block: number,
  mayChange: (block: number) => boolean,
  isHolding: boolean,
): readonly Operation[] {
  const writeClass = 1 + below(3)
  const kind = below(14)
  if (kind === 0) return [flush]
  if (kind === 1) return discard(block)
  if (kind === 2) return discardHalf(block, below(2))
  if (kind === 3) return look(block)
  if (kind === 4 && !isHolding) return [forget(block)]
  if (!mayChange(block)) return [flush]
  if (kind >= 12) return [write(block, below(3) - 1)]
  if (kind <= 6) return changeHalf(block, below(2), writeClass)
  return kind <= 8 && !isHolding ? changeAsync(block, writeClass) : change(block, writeClass)
}

function describe(scripts: readonly (readonly Operation[])[], spares: number, budget: Limits): string {
  const told = scripts.map((script) =>
    script
      .map(({ kind, block, writeClass }) => [kind, block, writeClass].filter((n) => n !== -1).join(' '))
      .join(', '),
  )
  return `${told.join(' | ')}; ${spares} spares; ${JSON.stringify(budget)}`
}
