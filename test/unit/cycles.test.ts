// The message of a missed deadline: which thread holds the block or lock, what that thread waits for, and the cycle if there
// is one.

import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CacheError, CacheHandle } from 'dcache'
import { Gates, refusal, startThread, until, withCache } from '../support/open.js'
import { Header, Slot, Wait } from '#dist/shared/words.js'
import { sample } from '../support/size.js'

const LONG_MS = 60_000

interface Ring {
  readonly name: string
  readonly own: number
  readonly other: number
  readonly gate: number
  readonly timeoutMs: number
}

/** Starts a thread that latches one block exclusively and waits for another; the message of its error, if it fails. */
function startWaiter(handle: CacheHandle, gates: Gates, args: Ring) {
  return startThread(
    handle,
    args,
    ({ client, args: { own, other, gate, timeoutMs }, open, pass }) => {
      const partition = client.partition('data')
      const guard = partition.acquireSync(own, 'modify')
      try {
        open(gate)
        pass(9)
        partition.acquireSync(other, 'modify', { timeoutMs }).release()
        return undefined
      } catch (error) {
        return (error as CacheError).message
      } finally {
        guard.release()
      }
    },
    { gates, name: args.name },
  )
}

const cycles = suite('cycles')

for (const threads of sample([3, 2], 1)) {
  cycles(`of ${threads} threads is named by the one whose deadline comes first, and by holders()`, () =>
    withCache({ flushDelayMs: 1e9 }, async ({ cache }) => {
      const gates = new Gates()
      const rings = Array.from({ length: threads }, (_, i) => ({
        name: `worker ${i}`,
        own: 10 + i,
        other: 10 + ((i + 1) % threads),
        gate: i,
        timeoutMs: i === 0 ? 3000 : LONG_MS,
      }))
      const started = rings.map((ring) => startWaiter(cache.handle, gates, ring))
      for (const { gate } of rings) await gates.opened(gate)
      const ids = started.map(({ worker }) => worker.threadId)
      const slots = ids.map((id) => cache.holders().find(({ threadId }) => threadId === id)!.slot)
      gates.open(9)
      await until('the cycle', () => cache.holders().filter(({ cycle }) => cycle.length === threads).length === threads) // prettier-ignore
      const waits = cache.holders().filter(({ what }) => what === 'waits')
      for (const wait of waits) {
        const i = slots.indexOf(wait.slot)
        assert.is(wait.name, `worker ${i}`)
        assert.is(wait.block, 10 + ((i + 1) % threads))
        assert.equal(wait.heldBy, [slots[(i + 1) % threads]])
        assert.equal([...wait.cycle].sort(), [...slots].sort())
        assert.is(wait.cycle[0], wait.slot)
      }
      const message = await started[0]!.result
      const called = (i: number) => `thread ${ids[i % threads]} 'worker ${i % threads}' (slot ${slots[i % threads]})` // prettier-ignore
      const links = rings.map(({ other }, i) => `waits for block ${other} of 'data' held by ${called(i + 1)}`)
      assert.ok(
        message?.includes(`a cycle: ${called(0)} ${links.join(', which ')} (waited 3000 ms)`),
        message,
      )
      assert.ok(message?.startsWith(`block 11 of 'data' is held exclusively by ${called(1)} for `), message)
      // The cycle is broken: the other threads succeed.
      for (const { result } of started.slice(1)) assert.is(await result, undefined)
    }),
  )
}

cycles('through readers are named: two threads each read a block that the other wants to change', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data }) => {
    for (const block of [1, 2]) (await data.acquire(block, 'read')).release()
    const gates = new Gates()
    const start = (name: string, own: number, other: number, timeoutMs: number) =>
      startThread(
        cache.handle,
        { own, other, timeoutMs },
        ({ client, args, open, pass }) => {
          const partition = client.partition('data')
          const guard = partition.acquireSync(args.own, 'read')
          open(args.own)
          pass(9)
          try {
            partition.acquireSync(args.other, 'modify', { timeoutMs: args.timeoutMs }).release()
            return ''
          } catch (error) {
            return (error as CacheError).message
          } finally {
            guard.release()
          }
        },
        { gates, name },
      )
    const [a, b] = [start('a', 1, 2, 2000), start('b', 2, 1, LONG_MS)]
    await Promise.all([gates.opened(1), gates.opened(2)])
    const third = await data.acquire(2, 'read')
    gates.open(9)
    const message = await a.result
    assert.match(message, /^block 2 of 'data' is held to read by /)
    assert.match(message, /thread \d+ 'owner' \(slot 0\) with 1 guard\(s\)/)
    assert.match(
      message,
      /thread \d+ 'b' \(slot \d+\) with 1 guard\(s\), which waits for block 1 of 'data' for \d+ ms/,
    )
    assert.match(message, /; a cycle: thread \d+ 'a' .* waits for block 2 of 'data' held by thread \d+ 'b' /)
    third.release()
    assert.is(await b.result, '')
  }),
)

cycles('of asynchronous tasks are no certain deadlock, and the error says so', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data }) => {
    const gates = new Gates()
    const waiter = startWaiter(cache.handle, gates, { name: 'sleeper', own: 2, other: 1, gate: 0, timeoutMs: LONG_MS }) // prettier-ignore
    await gates.opened(0)
    const guard = await data.acquire(1, 'modify')
    gates.open(9)
    await until('the sleeper', () => cache.holders().some(({ what }) => what === 'waits'))
    const error = await refusal('ERR_DCACHE_TIMEOUT', () => data.acquire(2, 'modify', { timeoutMs: 1000 }))
    assert.match(error.message, /a cycle: thread \d+ 'owner' \(slot 0\) waits for block 2 of 'data' held by thread \d+ 'sleeper' .*, which waits for block 1 of 'data' held by thread \d+ 'owner' \(slot 0\); not all of these threads sleep/) // prettier-ignore
    guard.release()
    assert.is(await waiter.result, undefined)
  }),
)

cycles('between two tasks of one thread are named', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data }) => {
    const [first, second] = [await data.acquire(1, 'modify'), await data.acquire(2, 'modify')]
    const long = data.acquire(1, 'modify', { timeoutMs: LONG_MS })
    const error = await refusal('ERR_DCACHE_TIMEOUT', () => data.acquire(2, 'read', { timeoutMs: 500 }))
    assert.match(error.message, /^block 2 of 'data' is held exclusively by thread \d+ 'owner' \(slot 0\) itself, in another of its tasks, for \d+ ms \(waited 500 ms\)$/) // prettier-ignore
    const [wait] = cache.holders().filter(({ what }) => what === 'waits')
    assert.is(wait!.block, 1, 'the other task still waits and is listed')
    assert.equal([wait!.heldBy, wait!.cycle], [[0], []])
    second.release()
    first.release()
    ;(await long).release()
  }),
)

cycles.run()

test('a holder that does not wait is named with the time that it has held the block', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data }) => {
    const gates = new Gates()
    const thread = startThread(
      cache.handle,
      0,
      ({ client, open, pass }) => {
        const guard = client.partition('data').acquireSync(3, 'modify')
        open(0)
        pass(1)
        guard.release()
      },
      { gates, name: 'slow one' },
    )
    await gates.opened(0)
    const error = await refusal('ERR_DCACHE_TIMEOUT', () => data.acquire(3, 'read', { timeoutMs: 300 }))
    const match = /^block 3 of 'data' is held exclusively by thread (\d+) 'slow one' \(slot \d+\) for (\d+) ms \(waited 300 ms\)$/.exec(error.message) // prettier-ignore
    assert.ok(match, error.message)
    assert.is(Number(match[1]), thread.worker.threadId)
    assert.ok(Number(match[2]) >= 250)
    gates.open(1)
    await thread.result
  }))

test('a lock is named with its holder and what the holder waits for, and holders() lists the wait', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, arena }) => {
    const gates = new Gates()
    const waiter = startWaiter(cache.handle, gates, { name: 'stuck', own: 2, other: 1, gate: 0, timeoutMs: LONG_MS }) // prettier-ignore
    await gates.opened(0)
    const guard = await data.acquire(1, 'modify')
    gates.open(9)
    await until('the waiter', () => cache.holders().some(({ name, what }) => name === 'stuck' && what === 'waits')) // prettier-ignore
    const { slot } = cache.holders().find(({ name }) => name === 'stuck')!
    // As if the thread had been preempted inside a critical section.
    Atomics.store(arena.words, Header.policyMutex, slot + 1)
    const refused = refusal('ERR_DCACHE_TIMEOUT', () => data.acquire(30, 'read', { timeoutMs: 500 }))
    await until('the wait', () => cache.holders().some(({ mode }) => mode === 'mutex'))
    const wait = cache.holders().find(({ mode }) => mode === 'mutex')!
    assert.equal([wait.what, wait.name, wait.heldBy, wait.block], ['waits', 'owner', [slot], undefined])
    const { message } = await refused
    assert.match(message, /^the lock 'policy' is held by thread \d+ 'stuck' \(slot \d+\), which waits for block 1 of 'data' for \d+ ms \(waited 500 ms\)$/) // prettier-ignore
    Atomics.store(arena.words, Header.policyMutex, 0)
    Atomics.notify(arena.words, Header.policyMutex)
    guard.release()
    await waiter.result
  }))

test('invalid words of a slot do no harm', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, arena }) => {
    const thread = await new Promise<number>((resolve) => {
      void data.acquire(1, 'modify').then((guard) => {
        resolve(cache.holders()[0]!.slot)
        guard.release()
      })
    })
    const at = arena.slotAt(thread)
    const recordAt = arena.waitAt(thread, 0)
    for (const [kind, where] of [
      [1, -1],
      [2, 1 << 28],
      [99, 0],
      [7, 12345],
    ] as const) {
      arena.words[recordAt + Wait.what] = kind
      arena.words[recordAt + Wait.at] = where
      for (const end of [1, -1, 1 << 28]) {
        arena.words[at + Slot.waitsEnd] = end
        cache.holders()
      }
      arena.words[recordAt + Wait.what] = 0
      arena.words[at + Slot.waitsEnd] = 0
    }
  }))

test.run()
