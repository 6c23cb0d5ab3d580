// A numbered round: requests, completion and failure, and how the tickets of waiting callers end.

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

/** A round that is at `number`. */
function fresh(number = 0) {
  const buffer = new SharedArrayBuffer(512)
  const words = new Int32Array(buffer)
  words[ROUND.want] = number
  words[ROUND.done] = number
  return { buffer, words, round: new Round(words, ROUND) }
}

test('a round is wanted only after a request, and only once for each', () => {
  const { round } = fresh()
  assert.not.ok(round.isWanted)
  assert.ok(round.ask(3))
  assert.ok(round.isWanted)
  assert.not.ok(round.ask(3))
  assert.not.ok(round.ask(2), 'never less')
  assert.ok(round.ask(5))
  round.finish(4)
  assert.ok(round.isWanted, 'it did not reach the requested number')
  round.finish(5)
  assert.not.ok(round.isWanted)
})

test('any round that reached a ticket’s number settles it', () => {
  const { round } = fresh()
  const [near, far] = [round.ticket(2), round.ticket(7)]
  round.ask(7)
  assert.equal([round.outcome(near), round.outcome(far)], [undefined, undefined])
  round.finish(2)
  assert.equal([round.outcome(near), round.outcome(far)], ['done', undefined])
  round.finish(9)
  assert.equal([round.outcome(near), round.outcome(far)], ['done', 'done'])
})

test('a failure fails the tickets that it covered, and no others', () => {
  const { round } = fresh()
  round.ask(4)
  const before = round.ticket(4)
  const beyond = round.ticket(5)
  round.ask(5)
  round.fail(4)
  assert.is(round.failures, 1)
  assert.equal([round.outcome(before), round.outcome(beyond)], ['failed', undefined])
  assert.ok(round.isWanted, 'a later number was requested')
  assert.is(round.outcome(round.ticket(4)), undefined, 'an old failure does not fail a new ticket')
  round.fail(5)
  assert.not.ok(round.isWanted, 'all requests have failed')
  assert.is(round.outcome(beyond), 'failed')
  assert.ok(round.ask(5), 'it may be requested again')
  round.finish(5)
  assert.is(round.outcome(before), 'done', 'a settled ticket stays done')
})

test('numbers may wrap', () => {
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

test('a waiting caller is told the outcome', async () => {
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

test('with several threads that request and one that works, every ticket is settled and none too early', async () => {
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
