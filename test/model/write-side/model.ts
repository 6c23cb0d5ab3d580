/**
 * The part of the model that all actors share: the scenario, and the states before and after a step. An actor takes a step
 * with `begin`, changes to the state that it returns, and `end`, which describes the step.
 */
import type { Mistake } from './mistakes.js'
import type { Scenario } from './scenarios.js'
import {
  blockAt,
  Budget,
  Block,
  clientAt,
  Client,
  CLIENTS,
  ENVIRONMENT,
  FLUSH_WORKER,
  Group,
  Job,
  Life,
  PARTITIONS,
  Phase,
  Round,
  Spare,
  spareAt,
  type State,
  stateSize,
  Writer,
  writerAt,
  WRITERS,
} from './state.js'

export class Model {
  readonly scenario: Scenario
  readonly blocks: number
  readonly spares: number
  readonly mistake: Mistake | 'none'
  /** Whether every acquire waits for a class change of its block. */
  readonly isPatient: boolean
  /** How many writes and fsyncs may fail in a run. */
  readonly failuresMax: number
  /** The state whose next steps are generated. */
  readonly now: State
  /** The state after the step. */
  readonly next: State
  /** The error of `next`, if it has one. */
  problem: string | undefined
  readonly #reached: (actor: number, what: string, block: number) => void

  constructor(
    scenario: Scenario,
    mistake: Mistake | 'none',
    reached: (actor: number, what: string, block: number) => void,
  ) {
    this.scenario = scenario
    this.blocks = scenario.partitionOf.length
    this.spares = scenario.spares
    this.mistake = mistake
    this.isPatient = scenario.scripts.flat().every(({ kind, isPatient }) => kind !== 'acquire' || isPatient)
    this.now = new Uint8Array(stateSize(this.blocks))
    this.next = new Uint8Array(stateSize(this.blocks))
    this.failuresMax = (scenario.budget.failedWrites ?? 0) + (scenario.budget.failedSyncs ?? 0)
    this.#reached = reached
    this.#start(this.now)
  }

  /** Begins a step: a copy of the state, to be changed. */
  begin(): State {
    this.next.set(this.now)
    return this.next
  }

  /** Ends a step; `block` is -1 if the step concerns no block. */
  end(actor: number, what: string, block = -1): void {
    this.#reached(actor, what, block)
  }

  /** Reports an error; only the first counts. */
  fail(problem: string): void {
    this.problem ??= problem
  }

  /** How often this actor may still die. */
  deathsLeft(actor: number): number {
    return actor === ENVIRONMENT ? 0 : this.now[deathBudgetOf(actor)]!
  }

  /** The actor dies, and what it holds stays held. */
  die(s: State, actor: number): void {
    s[deathBudgetOf(actor)]!--
    if (actor <= CLIENTS) s[clientAt(actor - 1) + Client.life] = Life.DEAD
    else if (actor === FLUSH_WORKER) s[Round.phase] = Phase.DEAD
    else s[writerAt(actor - WRITERS) + Writer.job] = Job.DEAD
  }

  #start(s: State): void {
    const { budget } = this.scenario
    s[Group.epoch] = 1
    for (let spare = 1; spare <= this.spares; spare++) s[spareAt(spare) + Spare.free] = 1
    for (let block = 0; block < this.blocks; block++) {
      s[blockAt(block) + Block.possible] = 1
      s[blockAt(block) + Block.possible2] = 1
    }
    s[Budget.clientDeaths] = budget.clientDeaths ?? 0
    s[Budget.flushWorkerDeaths] = budget.flushWorkerDeaths ?? 0
    s[Budget.writerDeaths] = budget.writerDeaths ?? 0
    s[Budget.failedWrites] = budget.failedWrites ?? 0
    s[Budget.failedSyncs] = budget.failedSyncs ?? 0
    s[Budget.retries] = (budget.failedWrites ?? 0) + (budget.failedSyncs ?? 0)
    s[Budget.evictions] = budget.evictions ?? 0
    s[Budget.kicks] = budget.kicks ?? 0
  }
}

function deathBudgetOf(actor: number): number {
  if (actor <= CLIENTS) return Budget.clientDeaths
  return actor === FLUSH_WORKER ? Budget.flushWorkerDeaths : Budget.writerDeaths
}

/** For traces. */
export function nameOf(actor: number): string {
  if (actor <= CLIENTS) return `client ${actor}`
  if (actor === FLUSH_WORKER) return 'flush worker'
  if (actor < WRITERS + PARTITIONS) return `writer ${actor - WRITERS}`
  return actor === ENVIRONMENT ? 'environment' : 'an actor'
}
