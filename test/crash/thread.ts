/**
 * The threads of a run: one entry point for all roles. A thread takes part in many runs. For each it gets a message with
 * its part, and answers with a message when the part is done.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { runClient } from './client-role.js'
import { type Engine, loadEngine } from './engine.js'
import { CrashLog, KIND } from './log.js'
import { contextIn, FLUSH_SLOT, type Setup, writerSlot } from './setup.js'
import { EngineState, Header, Job, JobState } from '#dist/shared/words.js'

export type Role =
  | { readonly kind: 'flusher' }
  | { readonly kind: 'writer'; readonly index: number }
  | { readonly kind: 'client'; readonly index: number }

export interface Part {
  readonly role: Role
  readonly setup: Setup
}

/** The messages of a thread: that it has started, and the outcome of its part. */
export interface Answer {
  readonly errors: readonly string[]
}

const engine = await loadEngine((workerData as { dist: string }).dist)

/** As workers/flush-worker.ts. */
function runFlusher({ Flusher }: Engine, setup: Setup): void {
  const context = contextIn(engine, setup, FLUSH_SLOT, FLUSH_SLOT + 1)
  const log = new CrashLog(setup.log, FLUSH_SLOT)
  const flusher = new Flusher(context, (event) => {
    if (event.kind === 'died') return
    const { kind, partition, writeClass, errno } = event
    log.append(kind === 'fenced' ? KIND.FENCED : KIND.RESTORED, {
      partition,
      value: writeClass,
      extra: errno,
    })
  })
  while (Atomics.load(context.words, Header.state) === EngineState.OPEN) {
    const bell = Atomics.load(context.words, Header.bell)
    flusher.step()
    Atomics.wait(context.words, Header.bell, bell, Math.min(250, flusher.idleMs()))
  }
}

/** As workers/writer-worker.ts. */
function runWriter({ Writer }: Engine, setup: Setup, index: number): void {
  const slot = writerSlot(index)
  const context = contextIn(engine, setup, slot, slot + 1)
  const writer = new Writer(context, index)
  const jobAt = context.arena.jobAt(index) + Job.state
  while (Atomics.load(context.words, jobAt) !== JobState.STOP) {
    if (writer.isAsked) writer.runJob()
    Atomics.wait(context.words, jobAt, JobState.IDLE, 250)
  }
}

function play({ role, setup }: Part): string[] {
  if (role.kind === 'client') return runClient(engine, setup, role.index)
  if (role.kind === 'flusher') runFlusher(engine, setup)
  else runWriter(engine, setup, role.index)
  return []
}

parentPort!.on('message', (part: Part) => {
  let errors: string[]
  try {
    errors = play(part)
  } catch (error) {
    errors = [`${part.role.kind}: ${(error as Error).stack ?? String(error)}`]
  }
  parentPort!.postMessage({ errors } satisfies Answer)
})
parentPort!.postMessage({ errors: [] } satisfies Answer)
