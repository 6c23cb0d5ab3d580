/**
 * Breadth-first search through every state of a group with a journal. "All" means up to a collision of hashes.
 */
import { HashSet, Queue, Ways } from '../write-side/explore.js'
import { JournalModel, type Rules, type Scenario } from './model.js'

export interface Outcome {
  readonly states: number
  readonly isCutOff: boolean
  readonly problem: string | undefined
  /** The shortest way to it. */
  readonly trace: readonly string[]
}

export function explore(scenario: Scenario, rules: Rules, statesMax: number): Outcome {
  const seen = new HashSet()
  const ways = new Ways()
  let ordinal = 0
  let from = -1
  let problemAt = -1
  const model: JournalModel = new JournalModel(scenario, rules, () => {
    const step = ordinal++
    if (problemAt >= 0) return
    // A step may be wrong even if it leads to a known state.
    if (!seen.add(model.next) && model.problem === undefined) return
    frontier.push(model.next)
    const at = ways.add(from, step)
    if (model.problem !== undefined) problemAt = at
  })
  const frontier = new Queue(model.now.length)
  seen.add(model.now)
  frontier.push(model.now)
  ways.add(-1, 0)
  while (problemAt < 0 && ways.count <= statesMax && frontier.shift(model.now)) {
    from++
    ordinal = 0
    model.steps()
  }
  const { problem } = model
  return {
    states: ways.count,
    isCutOff: problem === undefined && ways.count > statesMax,
    problem,
    trace: problem === undefined ? [] : tell(scenario, rules, ways.to(problemAt)),
  }
}

/** Replays the way and describes its steps. */
function tell(scenario: Scenario, rules: Rules, way: readonly number[]): string[] {
  const told: string[] = []
  let left = 0
  let reached = new Uint8Array()
  const model: JournalModel = new JournalModel(scenario, rules, (actor, what) => {
    if (left-- !== 0) return
    reached = model.next.slice()
    told.push(`${actor}: ${what}`)
  })
  for (const step of way) {
    left = step
    model.steps()
    model.now.set(reached)
  }
  return told
}
