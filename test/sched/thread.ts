// A driven thread: runs its role of a body once for each schedule, when the explorer gives it the turn. After the last schedule
// it waits for another body, since a thread takes several times as long to start as to load a body.

import { performance } from 'node:perf_hooks'
import { parentPort } from 'node:worker_threads'
import { drive, type Driver } from './atomics.js'
import { type Body, Scene, type Role } from './body.js'
import { loadBody, loadEngine } from './engine.js'
import { At, Outcome, State } from './control.js'
import { Turns } from './turns.js'
import { WeakMemory } from './weak.js'
import { weaken } from './weak-bytes.js'
import type { Words } from '#atomics'

export interface ThreadData {
  readonly body: string
  readonly engine: string
  readonly control: SharedArrayBuffer
  readonly memory: readonly SharedArrayBuffer[]
  readonly me: number
  /** The table of the weak memory. */
  readonly table: SharedArrayBuffer | undefined
}

// The clock does not advance: a schedule must not depend on how busy the machine is. The ends of slices are decisions of
// the explorer.
Object.defineProperties(performance, { now: { value: () => 0 }, timeOrigin: { value: 0 } })

/** What this thread does in a body. */
interface Part {
  readonly role: Role
  readonly roles: readonly Role[]
  readonly words: Words
  readonly turns: Turns
  readonly weak: WeakMemory | undefined
}

parentPort!.on('message', (data: ThreadData) => void play(data))

async function play({ body: name, engine, control, memory, me, table }: ThreadData): Promise<void> {
  const body = await loadBody(name, engine, memory)
  const { mutex } = await loadEngine(engine)
  const { roles } = body
  const turns = new Turns(new Int32Array(control), me, roles.length)
  const weak = table && new WeakMemory(turns, table, memory[0]!)
  const part = { role: roles[me]!, roles, words: new Int32Array(memory[0]!), turns, weak }
  const driver = driverOf(body, part)
  const endWeakness = weak && weaken(memory[0]!)
  for (;;) {
    turns.awaitTurn()
    if (turns.control[At.isOver] !== 0) break
    turns.begin()
    // What a thread that died had held in the schedule before is no more.
    mutex.forgetHeld()
    runOnce(part, driver)
  }
  endWeakness?.()
  parentPort!.postMessage('idle')
}

function runOnce(
  { role, roles, words, turns, weak }: Part,
  { driver, restore }: ReturnType<typeof driverOf>,
) {
  let state: number = State.DONE
  drive(driver)
  try {
    const hasBegun = !role.startsOnDeath || turns.control[At.isEnding] === 0
    if (hasBegun && turns.control[At.isAborting] === 0) role.run(new Scene(turns, roles, words, weak))
  } catch (error) {
    if (!turns.isDead && turns.control[At.isAborting] === 0)
      turns.stop(Outcome.ERROR, error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  drive(undefined)
  if (turns.isDead) {
    restore()
    state = State.DEAD
  }
  try {
    turns.finish(words, state)
  } catch {
    // The schedule was aborted while this thread looked for the next one.
    turns.give(roles.length)
  }
}

/** The driver of this thread; `restore` reverts what the thread did to the memory after its death. */
function driverOf({ memory, dull = [] }: Body, { role, words, turns, weak }: Part) {
  const { isMortal = false } = role
  const isDull = new Set(dull)
  const images = memory.map((buffer) => new Uint8Array(buffer.byteLength))
  const keep = () => images.forEach((image, i) => image.set(new Uint8Array(memory[i]!)))
  const restore = () => images.forEach((image, i) => new Uint8Array(memory[i]!).set(image))
  const assertOurs = (of: Words) => {
    if (of.buffer !== memory[0]) throw new Error('a driven thread uses words of a foreign buffer')
  }
  const here: Driver = {
    point: (op, of, at, value) => {
      assertOurs(of)
      if (isDull.has(at)) turns.assertRunning()
      else turns.point(op, words, at, value, isMortal, keep)
    },
    weak,
    indexOf: (of, at) => {
      const index = of.byteOffset / 4 + at
      return of.buffer === memory[0] && !isDull.has(index) && !turns.isDead ? index : -1
    },
    wait: (of, at, value, timeoutMs) => {
      assertOurs(of)
      turns.point('wait', words, at, value, isMortal, keep)
      weak?.visitWaiters(at)
      const how = turns.sleep(words, at, value, timeoutMs, weak?.load(at) ?? Atomics.load(words, at))
      weak?.visitWaiters(at)
      return how
    },
    notify: (of, at) => {
      assertOurs(of)
      turns.assertRunning()
      // If no thread sleeps, a notify changes nothing and is no point.
      if (turns.isSleptOn(at)) turns.point('notify', words, at, 0, isMortal, keep)
      weak?.visitWaiters(at)
      return turns.wake(at)
    },
  }
  return { driver: here, restore }
}
