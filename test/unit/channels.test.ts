// @deadline 120
// The channels of node:diagnostics_channel: what is published, when, and about which cache.

import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type BlockCache, type CacheChannels, openCache, type RoundMessage } from 'dcache'
import { eventsOf } from '#dist/core/format.js'
import { Header } from '#dist/shared/words.js'
import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { failWrites } from '../support/failing-file.js'
import { type Bench, inThread, refusal, startThread, until, withCache } from '../support/open.js'
import { tempFolder } from '../support/temp.js'

/** Those of the owner's thread. */
type Name = Exclude<keyof CacheChannels, 'dcache:miss' | 'dcache:stall' | 'dcache:round'>
type Message = CacheChannels[Name] & { partition?: string; threadId?: number }

const NAMES: readonly Name[] = [
  'dcache:opened',
  'dcache:closed',
  'dcache:fenced',
  'dcache:retry',
  'dcache:restored',
  'dcache:recovered',
  'dcache:workerDied',
  'dcache:threadFailed',
  'dcache:broken',
]

/** Runs with a subscriber to all channels, which notes what comes. */
async function recorded(body: (told: { name: string; message: Message }[]) => Promise<void>): Promise<void> {
  const told: { name: string; message: Message }[] = []
  const note = (message: unknown, name: string | symbol) => {
    told.push({ name: String(name), message: message as Message })
  }
  for (const name of NAMES) subscribe(name, note)
  try {
    await body(told)
  } finally {
    for (const name of NAMES) unsubscribe(name, note)
  }
}

const test = suite('channels')

test('tell of each cache that is opened and closed, and of none that could not be', () =>
  recorded(async (told) => {
    using folder = tempFolder()
    const caches: BlockCache[] = []
    for (let i = 0; i < 2; i++)
      await withCache({}, ({ cache }) => {
        caches.push(cache)
        assert.is(told.at(-1)!.name, 'dcache:opened')
      })
    await refusal('ERR_DCACHE_BAD_FILE', () =>
      openCache({ memory: '1MiB', partitions: { a: { path: `${folder.path}/missing`, blockSize: 512 } } }),
    )
    assert.equal(
      told.map(({ name }) => name),
      ['dcache:opened', 'dcache:closed', 'dcache:opened', 'dcache:closed'],
    )
    assert.ok(told.every(({ message }, i) => message.cache === caches[Math.floor(i / 2)]))
  }))

test('tell of the end of an attached thread, before the listeners of the event', () =>
  recorded((told) =>
    withCache({}, async ({ cache }) => {
      let heard = ''
      cache.on('workerDied', ({ threadId }) => {
        const { name, message } = told.at(-1)!
        if (message.threadId === threadId && message.cache === cache) heard = name
      })
      startThread(cache.handle, 0, () => process.exit())
      await until('the event', () => heard !== '')
      assert.is(heard, 'dcache:workerDied')
    }),
  ))

test('tell of a retry, and what became of it, by the name of the partition', () =>
  recorded((told) =>
    withCache({}, async ({ cache, data }) => {
      await data.write(new Uint8Array(512), 0)
      await cache.retry('data')
      const { name, message } = told.at(-1)!
      assert.equal([name, message.partition, message.cache === cache], ['dcache:retry', 'data', true])
      await refusal('ERR_DCACHE_UNKNOWN_PARTITION', () => cache.retry('other'))
      assert.is(told.filter(({ name }) => name === 'dcache:retry').length, 1)
    }),
  ))

test('tell of what a journal held', async () => {
  using folder = tempFolder()
  const options = {
    memory: '1MiB',
    partitions: { a: { path: `${folder.path}/a`, blockSize: 512, size: '64KiB' } },
    groups: { '': { journal: { path: `${folder.path}/journal`, size: '1MiB' } } },
    flushDelayMs: 1e9,
  }
  const first = await openCache(options)
  await first.partition('a').write(new Uint8Array(512).fill(7), 0)
  await first.flush()
  await first.abandon()
  await recorded(async (told) => {
    const cache = await openCache(options)
    await until('the message', () => told.some(({ name }) => name === 'dcache:recovered'))
    const { message } = told.find(({ name }) => name === 'dcache:recovered')!
    assert.equal(message, { cache, ...cache.recovered[0]! })
    await cache.close()
  })
})

/** Runs with a subscriber to the channel of this thread. */
async function told<N extends keyof CacheChannels>(
  name: N,
  body: (messages: CacheChannels[N][]) => Promise<void>,
): Promise<void> {
  const messages: CacheChannels[N][] = []
  const note = (message: unknown) => void messages.push(message as CacheChannels[N])
  subscribe(name, note)
  try {
    await body(messages)
  } finally {
    unsubscribe(name, note)
  }
}

test('tell of each miss of this thread, and of no hit and no other thread', () =>
  withCache({ cached: 4, threads: 2 }, async ({ cache, data }) => {
    const read = async (block: number) => (await data.acquire(block, 'read')).release()
    await read(7)
    await told('dcache:miss', async (misses) => {
      for (const block of [1, 1, 2, 7]) await read(block)
      const ofThread = await inThread(cache.handle, 0, async ({ client }) => {
        const { subscribe } = await import('node:diagnostics_channel')
        const blocks: number[] = []
        subscribe('dcache:miss', (message) => blocks.push((message as { block: number }).block))
        for (const block of [3, 3, 4]) client.partition('data').acquireSync(block, 'read').release()
        return blocks
      })
      assert.equal(ofThread, [3, 4])
      assert.equal(
        misses.map(({ partition, block, blocks }) => ({ partition, block, blocks })),
        [1, 2].map((block) => ({ partition: 'data', block, blocks: 1 })),
      )
      assert.ok(misses.every(({ durationMs }) => durationMs > 0 && durationMs < 60_000))
    })
    await read(5)
  }))

test('tell of a long wait for a block, and of no short one', () =>
  withCache({}, ({ data }) =>
    told('dcache:stall', async (stalls) => {
      for (const pauseMs of [0, 30]) {
        const guard = await data.acquire(5, 'modify')
        const waiting = data.acquire(5, 'read')
        if (pauseMs > 0) await pause(pauseMs)
        guard.release()
        ;(await waiting).release()
      }
      const long = stalls.filter(({ durationMs }) => durationMs >= 30)
      assert.equal(
        long.map(({ cause, partition, block }) => ({ cause, partition, block })),
        [{ cause: 'latch', partition: 'data', block: 5 }],
      )
      assert.ok(stalls.every(({ durationMs }) => durationMs >= 10))
    }),
  ))

/** Changes a block and flushes, until a subscriber heard of a round: the owner looks for subscribers once in a second. */
async function flushUntilTold(
  { cache, data }: Pick<Bench, 'cache' | 'data'>,
  rounds: readonly RoundMessage[],
): Promise<void> {
  for (let value = 1; rounds.length === 0; value = (value + 1) % 256) {
    await data.write(new Uint8Array(512).fill(value), 512)
    await cache.flush()
    await pause(20)
  }
}

test('tell of the rounds that the flush worker runs', () =>
  withCache({}, (bench) =>
    told('dcache:round', async (rounds) => {
      const { cache, data } = bench
      await flushUntilTold(bench, rounds)
      const before = rounds.length
      await data.write(new Uint8Array(3 * 512).fill(7), 0)
      await cache.flush()
      await until('the round of three blocks', () => rounds.length > before)
      const { durationMs, ...round } = rounds.at(-1)!
      assert.equal(round, { group: '', kind: 'full', blocks: 3, isDone: true, untold: 0 })
      assert.ok(durationMs > 0 && durationMs < 60_000)
    }),
  ))

test('tell of a round that failed', () =>
  withCache({ partitions: { data: {}, other: {} }, flushDelayMs: 1e9 }, (bench) =>
    told('dcache:round', async (rounds) => {
      const { cache, arena, paths } = bench
      await flushUntilTold(bench, rounds)
      using failing = failWrites(arena, 1, paths['other']!)
      await cache.partition('other').write(new Uint8Array(512), 0)
      await refusal('ERR_DCACHE_FENCED', () => cache.flush())
      await until('the round', () => rounds.some(({ isDone }) => !isDone))
      failing.repair()
      await cache.retry('other')
      await until('the next round', () => rounds.at(-1)!.isDone)
    }),
  ))

test('tell of records and of blocks in place, with a journal', async () => {
  using folder = tempFolder()
  const cache = await openCache({
    memory: '1MiB',
    partitions: { a: { path: `${folder.path}/a`, blockSize: 512, size: '64KiB', group: 'one' } },
    groups: { one: { journal: { path: `${folder.path}/journal`, size: '1MiB' } } },
  })
  await told('dcache:round', async (rounds) => {
    await flushUntilTold({ cache, data: cache.partition('a') }, rounds)
    assert.ok(rounds.every(({ group, kind, isDone }) => group === 'one' && kind === 'record' && isDone))
    await cache.close()
  })
})

test('tell a thread of the rounds that its own flushes run', () =>
  withCache({ threads: 2 }, async ({ cache }) => {
    const ofThread = await inThread(cache.handle, 0, async ({ client }) => {
      const { subscribe } = await import('node:diagnostics_channel')
      const kinds: string[] = []
      subscribe('dcache:round', (message) => {
        const { kind, blocks } = message as { kind: string; blocks: number }
        kinds.push(`${kind} ${blocks}`)
      })
      for (const block of [3, 4]) {
        client.partition('data').writeSync(new Uint8Array(512), block * 512)
        client.flushSync()
      }
      return kinds
    })
    assert.equal(ofThread, ['full 1', 'full 1'])
  }))

test('send no round to the owner without subscribers', () =>
  withCache({}, async ({ cache, data, arena }) => {
    await data.write(new Uint8Array(512).fill(1), 0)
    await cache.flush()
    assert.is(arena.words[Header.roundsTold], 0)
    assert.is(eventsOf(arena).tryPop(), undefined)
  }))

test('have no subscribers of their own', () => {
  for (const name of NAMES) assert.is(channel(name).hasSubscribers, false, name)
})

test.run()
