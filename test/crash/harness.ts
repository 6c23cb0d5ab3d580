/**
 * Runs of the real engine with real threads on crash disks: a flush worker, a writer for each disk, and clients. The
 * threads are started once and take part in all runs.
 */
import { Worker } from 'node:worker_threads'
import type { Client } from '#dist/core/client/client.js'
import type { Context } from '#dist/core/context.js'
import { Actor } from './client-role.js'
import type { Engine } from './engine.js'
import { CrashLog, type LogRecord } from './log.js'
import type { Scenario } from './scenario.js'
import { contextIn, createSetup, OWNER_SLOT, type Setup } from './setup.js'
import type { Answer, Part, Role } from './thread.js'
import { EngineState, Header, Job, JobState } from '#dist/shared/words.js'

/** A thread that does nothing for this long counts as hanging. */
const PART_MS = 60_000

/** The results of a run. */
export interface Run {
  readonly scenario: Scenario
  readonly records: readonly LogRecord[]
  /** The errors found by clients, threads and the engine's own checker. */
  readonly errors: readonly string[]
}

class Thread {
  readonly #worker: Worker
  #settle: ((errors: readonly string[]) => void) | undefined
  #answers: Promise<readonly string[]>

  constructor(dist: string) {
    this.#worker = new Worker(new URL('thread.js', import.meta.url), { workerData: { dist } })
    this.#answers = this.#next()
    this.#worker.on('message', ({ errors }: Answer) => this.#settle?.(errors))
    this.#worker.on('error', (error) => this.#settle?.([`a thread died: ${error.stack ?? error.message}`]))
  }

  /** Resolves when the thread has done its part or has hung for too long. */
  async answer(): Promise<readonly string[]> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<readonly string[]>((resolve) => {
      timer = setTimeout(() => resolve([`a thread hung for ${PART_MS} ms`]), PART_MS)
    })
    const errors = await Promise.race([this.#answers, late])
    clearTimeout(timer)
    return errors
  }

  play(part: Part): void {
    this.#answers = this.#next()
    this.#worker.postMessage(part)
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #next(): Promise<readonly string[]> {
    return new Promise((resolve) => {
      this.#settle = resolve
    })
  }
}

/** The threads, one for each role. */
export class Crew {
  readonly #engine: Engine
  readonly #dist: string
  readonly #threads = new Map<string, Thread>()

  constructor(engine: Engine, dist: string) {
    this.#engine = engine
    this.#dist = dist
  }

  /** Starts the engine's own threads on a fresh cache. */
  async open(scenario: Scenario): Promise<OpenCache> {
    const setup = createSetup(this.#engine, scenario)
    const cache = new OpenCache(this.#engine, setup, this)
    const roles: Role[] = [
      { kind: 'flusher' },
      ...setup.disks.map((_, index): Role => ({ kind: 'writer', index })),
    ]
    for (const role of roles) await this.start(role, setup)
    return cache
  }

  async start(role: Role, setup: Setup): Promise<void> {
    const thread = await this.#thread(role)
    thread.play({ role, setup })
  }

  async answers(kinds: readonly Role['kind'][]): Promise<string[]> {
    const errors: string[] = []
    for (const [name, thread] of this.#threads) {
      if (kinds.some((kind) => name.startsWith(kind))) errors.push(...(await thread.answer()))
    }
    return errors
  }

  /** Runs one scenario. */
  async run(scenario: Scenario): Promise<Run> {
    const cache = await this.open(scenario)
    for (let index = 0; index < scenario.clients; index++) {
      await this.start({ kind: 'client', index }, cache.setup)
    }
    const errors = await this.answers(['client'])
    if (errors.length === 0) errors.push(...cache.finish())
    errors.push(...(await cache.close()))
    return { scenario, records: new CrashLog(cache.setup.log, 0).records(), errors }
  }

  async terminate(): Promise<void> {
    for (const thread of this.#threads.values()) await thread.terminate()
    this.#threads.clear()
  }

  async #thread(role: Role): Promise<Thread> {
    const number = role.kind === 'flusher' ? 0 : role.index
    const name = `${role.kind}${number}`
    let thread = this.#threads.get(name)
    if (thread === undefined) {
      thread = new Thread(this.#dist)
      this.#threads.set(name, thread)
      await thread.answer()
    }
    return thread
  }
}

/** A cache whose flush worker and writers run, as the main thread sees it. */
export class OpenCache {
  readonly setup: Setup
  readonly context: Context
  readonly client: Client
  readonly #engine: Engine
  readonly #crew: Crew

  constructor(engine: Engine, setup: Setup, crew: Crew) {
    this.#engine = engine
    this.#crew = crew
    this.setup = setup
    this.context = contextIn(engine, setup, OWNER_SLOT, OWNER_SLOT + 1)
    this.client = new engine.Client(this.context)
  }

  /** Flushes, with retries if necessary, and checks the invariants. */
  finish(): string[] {
    const actor = new Actor(this.#engine, this.context, this.client, this.setup, 99)
    try {
      actor.finish()
    } catch (error) {
      return [`the last flush: ${(error as Error).stack ?? String(error)}`]
    }
    return [...actor.errors, ...this.client.check()]
  }

  /** Stops the flush worker and the writers; returns their errors. */
  async close(): Promise<string[]> {
    const { words, arena } = this.context
    Atomics.store(words, Header.state, EngineState.CLOSED)
    for (let writer = 0; writer < arena.geometry.writers; writer++) {
      const jobAt = arena.jobAt(writer) + Job.state
      Atomics.store(words, jobAt, JobState.STOP)
      Atomics.notify(words, jobAt)
    }
    Atomics.add(words, Header.bell, 1)
    Atomics.notify(words, Header.bell)
    return this.#crew.answers(['flusher', 'writer'])
  }
}
