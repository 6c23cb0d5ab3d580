// The threads of round.test.ts: one runs rounds, the others request them.

import { Mutex, RANK } from '#dist/shared/mutex.js'
import { Round, type RoundWords } from '#dist/shared/round.js'
import { isAfter } from '#dist/shared/stamp.js'
import { Deadline, runAsync, timedOut } from '#dist/shared/wait.js'
import { runEndless, sleepEndless, type Thread } from '../../support/threads.js'

/** Word indices: each in a cache line of its own. */
export const ROUND: RoundWords = { want: 0, done: 16, failures: 32, failedTo: 33, turn: 48, turnWaiters: 64 }
const MUTEX = 80
/** The last number that a round has closed: a new request gets the next. */
const EPOCH = 96
/** The epoch that tells the worker of a request. */
const BELL = 97
const ENDED = 98

/** The worker returns how many rounds it ran, a requesting thread how many of its tickets failed. */
export async function askAndWork(thread: Thread<{ each: number; firstAsync: number }>): Promise<number> {
  return thread.index === 0 ? work(thread) : ask(thread)
}

function work({ words, index, threads }: Thread): number {
  const round = new Round(words, ROUND)
  const mutex = new Mutex(words, MUTEX, RANK.round, 'round')
  for (let rounds = 0; ;) {
    const bell = Atomics.load(words, BELL)
    if (!round.isWanted) {
      if (Atomics.load(words, ENDED) === threads - 1) return rounds
      sleepEndless(words, BELL, bell)
      continue
    }
    runEndless(mutex.lock(index, new Deadline()))
    const cut = words[EPOCH]! + 1
    words[EPOCH] = cut
    mutex.unlock()
    runEndless(mutex.lock(index, new Deadline()))
    if (++rounds % 5 === 0) round.fail(cut)
    else round.finish(cut)
    mutex.unlock()
    round.broadcast()
  }
}

async function ask({ words, index, args }: Thread<{ each: number; firstAsync: number }>): Promise<number> {
  const round = new Round(words, ROUND)
  const mutex = new Mutex(words, MUTEX, RANK.round, 'round')
  const late = () => timedOut('the round', 0)
  let failed = 0
  for (let i = 0; i < args.each; i++) {
    runEndless(mutex.lock(index, new Deadline()))
    const number = words[EPOCH]! + 1
    round.ask(number)
    const ticket = round.ticket(number)
    mutex.unlock()
    ring(words)
    const waiting = round.settled(ticket, () => new Deadline(), late)
    const outcome = index >= args.firstAsync ? await runAsync(waiting) : runEndless(waiting)
    const isDone = !isAfter(number, Atomics.load(words, ROUND.done))
    if (outcome === 'done' && !isDone) throw new Error('a ticket is reported as done before its round')
    if (outcome === 'failed') failed++
  }
  Atomics.add(words, ENDED, 1)
  ring(words)
  return failed
}

function ring(words: Int32Array<SharedArrayBuffer>): void {
  Atomics.add(words, BELL, 1)
  Atomics.notify(words, BELL)
}
