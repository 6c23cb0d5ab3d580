// A driven thread: runs its role of a body once for each schedule, when the explorer gives it the turn.

import { performance } from 'node:perf_hooks'
import { workerData } from 'node:worker_threads'
import { drive, type Driver } from './atomics.js'
import { type Body, Scene, type Role } from './body.js'
import { loadBody } from './engine.js'
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

const data = workerData as ThreadData
const body = await loadBody(data.body, data.engine, data.memory)
const role = body.roles[data.me]!
const words: Words = new Int32Array(data.memory[0]!)
const turns = new Turns(new Int32Array(data.control), data.me, body.roles.length)
const weak = data.table && new WeakMemory(turns, data.table, data.memory[0]!)
const driver = driverOf(body, role)
if (weak !== undefined) weaken(data.memory[0]!)

for (;;) {
  turns.awaitTurn()
  turns.begin()
  runOnce()
}

function runOnce(): void {
  let state: number = State.DONE
  drive(driver.driver)
  try {
    const hasBegun = !role.startsOnDeath || turns.control[At.isEnding] === 0
    if (hasBegun && turns.control[At.isAborting] === 0) role.run(new Scene(turns, body.roles, words, weak))
  } catch (error) {
    if (!turns.isDead && turns.control[At.isAborting] === 0)
      turns.stop(Outcome.ERROR, error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  drive(undefined)
  if (turns.isDead) {
    driver.restore()
    state = State.DEAD
  }
  try {
    turns.finish(words, state)
  } catch {
    // The schedule was aborted while this thread looked for the next one.
    turns.give(body.roles.length)
  }
}

/** The driver of this thread; `restore` reverts what the thread did to the memory after its death. */
function driverOf({ memory, dull = [] }: Body, { isMortal = false }: Role) {
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
