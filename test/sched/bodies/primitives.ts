// The primitives of src/shared alone, on a few words: what each promises about wakeups and exclusion.

import { add, get, load, notify, point, put, type Words } from '../atomics.js'
import type { Body, Scene, MakeBody, Role } from '../body.js'
import type { Engine } from '../engine.js'
import type { CacheError } from '#dist/shared/errors.js'
import type { Deadline, Slow } from '#dist/shared/wait.js'

interface Kit {
  readonly engine: Engine
  readonly words: Words
  readonly run: <T>(path: Slow<T>) => T
  readonly deadline: () => Deadline
}

type Run = (kit: Kit, scene: Scene, index: number) => void

const expired = (): CacheError => {
  throw new Error('a deadline passed')
}

/** A body on 64 words, which `broken` checks at the end. */
const onWords =
  (
    names: Readonly<Record<string, number>>,
    runs: readonly Run[],
    broken: (words: Words) => string[],
    setUp: (kit: Kit) => void = () => undefined,
  ): MakeBody =>
  (engine, memory): Body => {
    const buffer = memory?.[0] ?? new SharedArrayBuffer(1024)
    const words: Words = new Int32Array(buffer)
    const kit: Kit = {
      engine,
      words,
      run: (path) => engine.wait.runSync(path, true),
      deadline: () => new engine.wait.Deadline(),
    }
    if (memory === undefined) setUp(kit)
    const roles: Role[] = runs.map((run, i) => ({
      name: `thread ${i}`,
      run: (scene) => {
        run(kit, scene, i)
      },
    }))
    const nameOf = (at: number) => Object.keys(names).find((name) => names[name] === at) ?? `word ${at}`
    return { memory: [buffer], roles, verify: () => broken(words), nameOf }
  }

const fail = (text: string): never => {
  throw new Error(text)
}

// --- the condition

const CONDITION = { epoch: 0, waiters: 1, changes: 2 } as const

const waitsFor =
  (changes: number): Run =>
  ({ engine, words, run, deadline }) => {
    const condition = new engine.condition.Condition(words, CONDITION.epoch, CONDITION.waiters)
    run(
      condition.until(
        () => load(words, CONDITION.changes) >= changes || undefined,
        () => deadline(),
        expired,
      ),
    )
  }

const signals: Run = ({ engine, words }) => {
  const condition = new engine.condition.Condition(words, CONDITION.epoch, CONDITION.waiters)
  add(words, CONDITION.changes, 1)
  condition.signal()
}

// --- rounds

const ROUND = { want: 0, done: 1, failures: 2, failedTo: 3, turn: 4, turnWaiters: 5, mutex: 6, bell: 7, epoch: 8, delayed: 9 } // prettier-ignore

const roundOf = ({ engine, words }: Kit) => ({
  round: new engine.round.Round(words, ROUND),
  mutex: new engine.mutex.Mutex(words, ROUND.mutex, engine.mutex.RANK.round, 'round'),
})

const ring = (words: Words) => {
  add(words, ROUND.bell, 1)
  notify(words, ROUND.bell)
}

/** Requests a round and waits for it. A kick only requests it; a delayed kick leaves the time to the worker. */
const asks =
  (how: 'waits' | 'kicks' | 'delayed'): Run =>
  (kit, _, slot) => {
    const { words, run, deadline } = kit
    const { round, mutex } = roundOf(kit)
    run(mutex.lock(slot, deadline()))
    const number = get(words, ROUND.epoch)
    const ticket = round.ticket(number)
    const isFirst = how === 'delayed' ? false : round.ask(number)
    if (how === 'delayed') put(words, ROUND.delayed, 1)
    mutex.unlock()
    if (isFirst || how === 'delayed') ring(words)
    if (how === 'kicks') return
    const outcome = run(round.settled(ticket, deadline, expired))
    const isDone = outcome === 'done' && load(words, ROUND.done) >= number
    const isFailed = outcome === 'failed' && load(words, ROUND.failures) > 0
    if (!isDone && !isFailed) fail(`told ${outcome}, done is ${words[ROUND.done]!}`)
  }

/** Runs rounds until no thread is left that could request one; the first `failures` of them fail. */
const worker =
  (failures: number): Run =>
  (kit, scene, slot) => {
    const { words, run, deadline } = kit
    const { round, mutex } = roundOf(kit)
    let left = failures
    for (;;) {
      const bell = load(words, ROUND.bell)
      while (round.isWanted || get(words, ROUND.delayed) === 1) {
        run(mutex.lock(slot, deadline()))
        put(words, ROUND.delayed, 0)
        const cut = get(words, ROUND.epoch)
        put(words, ROUND.epoch, cut + 1)
        mutex.unlock()
        point(words)
        run(mutex.lock(slot, deadline()))
        if (left-- > 0) round.fail(cut)
        else round.finish(cut)
        mutex.unlock()
        round.broadcast()
      }
      if (!scene.serve(ROUND.bell, bell)) return
    }
  }

const startsAtOne = ({ words }: Kit) => {
  words[ROUND.epoch] = 1
}
const nothingWanted = (words: Words) =>
  words[ROUND.want]! > words[ROUND.done]! ? [`wanted ${words[ROUND.want]!}, done ${words[ROUND.done]!}`] : []

// --- the ring

const RING = { tail: 0, head: 1, pushed: 2 } as const
const POPPED = 128
const REFUSED = 200

const ringOf = ({ engine, words }: Kit, capacity = 4) => new engine.ring.Ring(words, 0, capacity, 4)

/** Pushes numbered records: 16 * thread + 1, + 2, ... */
const pushes =
  (count: number, capacity = 4): Run =>
  (kit, _, thread) => {
    const records = ringOf(kit, capacity)
    for (let i = 1; i <= count; i++) if (!records.tryPush(16 * thread + i, i, -i)) add(kit.words, REFUSED, 1)
  }

const pops =
  (count: number): Run =>
  (kit) => {
    const { words, run, deadline } = kit
    const records = ringOf(kit)
    for (let i = 0; i < count; i++) {
      const [id = 0, a = 0, b = 0] = run(records.pop(deadline()))
      if ((id & 15) !== a || a + b !== 0) fail(`a torn record: ${id}, ${a}, ${b}`)
      put(words, POPPED + 1 + add(words, POPPED, 1), id)
    }
  }

/** Checks that each record was popped once, and that a popper saw each pusher's records in order. */
const ringIsRight = (ids: readonly number[]) => (words: Words): string[] => {
  const popped = [...words.subarray(POPPED + 1, POPPED + 1 + words[POPPED]!)]
  const isOrdered = ids.length < 4 || popped.every((id, i) => !popped.slice(0, i).some((other) => other >> 4 === id >> 4 && other > id))
  const isWhole = [...popped].sort((a, b) => a - b).join() === ids.join()
  return isWhole && isOrdered ? [] : [`popped ${popped.join()}`]
} // prettier-ignore

const emptyRing = (kit: Kit) => {
  ringOf(kit).init()
}

/** Checks that every push that was not refused is in the ring. */
const fullRing = (kit: Kit) => (): string[] => {
  const records = ringOf(kit, 2)
  let count = 0
  while (records.tryPop() !== undefined) count++
  const refused = kit.words[REFUSED]!
  return count + refused === 4 && count >= 2 ? [] : [`${count} in the ring, ${refused} refused`]
} // prettier-ignore

export const bodies: Readonly<Record<string, MakeBody>> = {
  condition: onWords(CONDITION, [waitsFor(1), waitsFor(1), signals], () => []),
  conditionTwo: onWords(CONDITION, [waitsFor(1), waitsFor(2), signals, signals], () => []),
  roundWait: onWords(ROUND, [asks('waits'), asks('waits'), worker(0)], nothingWanted, startsAtOne),
  roundFails: onWords(ROUND, [asks('waits'), asks('waits'), worker(1)], nothingWanted, startsAtOne),
  roundKick: onWords(ROUND, [asks('kicks'), asks('waits'), worker(0)], nothingWanted, startsAtOne),
  roundDelayed: onWords(ROUND, [asks('delayed'), asks('waits'), worker(0)], nothingWanted, startsAtOne),
  ring: onWords(RING, [pushes(2), pushes(2), pops(4)], ringIsRight([1, 2, 17, 18]), emptyRing),
  ringPoppers: onWords(RING, [pushes(2), pops(1), pops(1)], ringIsRight([1, 2]), emptyRing),
  ringFull: (engine, memory) => {
    const body = onWords(RING, [pushes(2, 2), pushes(2, 2)], () => [], (kit) => ringOf(kit, 2).init())(engine, memory) // prettier-ignore
    const words: Words = new Int32Array(body.memory[0]!)
    return { ...body, verify: fullRing({ engine, words } as Kit) }
  },
}
