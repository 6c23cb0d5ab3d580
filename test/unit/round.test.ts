// A numbered round: asking, finishing and failing, and what becomes of those who wait.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError } from '#dist/shared/errors.js'
import { Round } from '#dist/shared/round.js'
import { EPOCH_MASK } from '#dist/shared/stamp.js'
import { Deadline, runAsync, runSync, timedOut } from '#dist/shared/wait.js'
import { inThreads } from '../support/threads.js'
import { ROUND } from './workers/round.js'

const bodies = import.meta.resolve('./workers/round.js')
const late = () => timedOut('the round', 0)
const soon = () => new Deadline()

/** A round that stands at `number`. */
function fresh(number = 0) {
  const buffer = new SharedArrayBuffer(512)
  const words = new Int32Array(buffer)
  words[ROUND.want] = number
  words[ROUND.done] = number
  return { buffer, words, round: new Round(words, ROUND) }
}

test('nothing is wanted until somebody asks, and nothing twice', () => {
  const { round } = fresh()
  assert.not.ok(round.isWanted)
  assert.ok(round.ask(3))
  assert.ok(round.isWanted)
  assert.not.ok(round.ask(3))
  assert.not.ok(round.ask(2), 'never less')
  assert.ok(round.ask(5))
  round.finish(4)
  assert.ok(round.isWanted, 'it fell short')
  round.finish(5)
  assert.not.ok(round.isWanted)
})

test('a ticket is settled by a round that went as far, whoever asked for it', () => {
  const { round } = fresh()
  const [near, far] = [round.ticket(2), round.ticket(7)]
  round.ask(7)
  assert.equal([round.outcome(near), round.outcome(far)], [undefined, undefined])
  round.finish(2)
  assert.equal([round.outcome(near), round.outcome(far)], ['done', undefined])
  round.finish(9)
  assert.equal([round.outcome(near), round.outcome(far)], ['done', 'done'])
})

test('a failure tells those that it spoke for, and nobody else', () => {
  const { round } = fresh()
  round.ask(4)
  const before = round.ticket(4)
  const beyond = round.ticket(5)
  round.ask(5)
  round.fail(4)
  assert.is(round.failures, 1)
  assert.equal([round.outcome(before), round.outcome(beyond)], ['failed', undefined])
  assert.ok(round.isWanted, 'somebody asked for more')
  assert.is(round.outcome(round.ticket(4)), undefined, 'an old failure is none of a new ticket')
  round.fail(5)
  assert.not.ok(round.isWanted, 'all that was asked for is given up')
  assert.is(round.outcome(beyond), 'failed')
  assert.ok(round.ask(5), 'and may be asked for again')
  round.finish(5)
  assert.is(round.outcome(before), 'done', 'durable is durable')
})

test('numbers wrap', () => {
  const { round } = fresh(EPOCH_MASK - 1)
  const ticket = round.ticket(1)
  assert.ok(round.ask(1))
  assert.ok(round.isWanted)
  round.finish(EPOCH_MASK)
  assert.is(round.outcome(ticket), undefined)
  round.finish(0)
  assert.is(round.outcome(ticket), undefined)
  round.finish(1)
  assert.is(round.outcome(ticket), 'done')
})

test('who waits is told', async () => {
  const { round } = fresh()
  round.ask(2)
  const waits = [1, 2, 3].map((number) => runAsync(round.settled(round.ticket(number), soon, late)))
  round.finish(1)
  round.broadcast()
  assert.is(await waits[0], 'done')
  round.fail(2)
  round.broadcast()
  assert.is(await waits[1], 'failed')
  round.finish(3)
  round.broadcast()
  assert.is(await waits[2], 'done')
})

test('a wait has a deadline', () => {
  const { round } = fresh()
  const wait = round.settled(round.ticket(1), () => new Deadline(0), late)
  assert.throws(
    () => runSync(wait, true),
    (error: unknown) => error instanceof CacheError && error.code === 'ERR_DCACHE_TIMEOUT',
  )
})

test('threads ask, one works: every ticket is settled, none too early', async () => {
  const { buffer, round } = fresh()
  const each = 3000
  const [rounds, ...failed] = await inThreads<number>(bodies, 'askAndWork', {
    threads: 4,
    buffer,
    args: { each, firstAsync: 3 },
  })
  assert.not.ok(round.isWanted)
  assert.ok(
    failed.some((count) => count > 0),
    'some rounds failed',
  )
  assert.ok(rounds! >= each && rounds! <= 4 * 3 * each, `${rounds!} rounds`)
  console.log(`\n# ${rounds!} rounds for ${3 * each} tickets, ${failed.join(', ')} failed`)
})

test.run()
