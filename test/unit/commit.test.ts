// `commit` and `update`: several blocks changed at one moment, or none of them.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BlockGuard, CacheClient, Partition } from 'dcache'
import { Client } from '#dist/core/client/client.js'
import { type Bench, inThread, Gates, refusal, refusalNow, startThread, withCache } from '../support/open.js'
import { smallArena, smallContext } from '../support/small-context.js'
import { Group } from '#dist/shared/words.js'

const TWO_GROUPS = { data: { group: 'a' }, log: { group: 'a' }, other: { group: 'b' } }

const take = (partition: Partition, ...blocks: number[]): Promise<BlockGuard[]> =>
  Promise.all(blocks.map((block) => partition.acquire(block, 'modify')))

function change(guards: readonly BlockGuard[], value: number, writeClass?: string): void {
  for (const guard of guards) {
    guard.data[0] = value
    guard.markDirty(writeClass)
  }
}

/** The first bytes of blocks. */
const firstOf = (partition: Partition, ...blocks: number[]): Promise<number[]> =>
  Promise.all(
    blocks.map(async (block) => {
      using guard = await partition.acquire(block, 'read')
      return guard.data[0]!
    }),
  )

const commits = suite('commit')

commits('releases all blocks, changed; each with its class', () =>
  withCache({}, async ({ cache, data, onDisk }) => {
    const guards = await take(data, 3, 1, 2)
    change(guards, 77)
    guards[1]!.markDirty('trailer')
    cache.commit(...guards)
    assert.equal(await firstOf(data, 1, 2, 3), [77, 77, 77])
    for (const guard of guards) refusalNow('ERR_DCACHE_GUARD_RELEASED', () => guard.release(), guard.block)
    assert.is(cache.stats().blocks.dirty, 3)
    await cache.flush()
    assert.equal(
      [1, 2, 3].map((block) => onDisk(block)[0]),
      [77, 77, 77],
    )
    assert.is(cache.stats().blocks.dirty, 0)
  }),
)

commits('of one guard is a release', () =>
  withCache({}, async ({ cache, data }) => {
    const [guard] = await take(data, 3)
    change([guard!], 9)
    cache.commit(guard!)
    assert.equal(await firstOf(data, 3), [9])
  }),
)

commits('changes dirty blocks again, and their classes, as often as there are classes and more', () =>
  withCache({ cached: 24 }, async ({ cache, data, onDisk }) => {
    const classes = ['data', 'directory', 'trailer', 'data', 'trailer', 'directory']
    for (const [i, writeClass] of classes.entries()) {
      const guards = await take(data, 5, 6)
      change(guards, i + 1, writeClass)
      cache.commit(...guards)
      assert.equal(cache.check(), [])
    }
    await cache.flush()
    assert.equal([onDisk(5)[0], onDisk(6)[0]], [6, 6])
  }),
)

commits('of blocks of two partitions of a group', () =>
  withCache({ partitions: TWO_GROUPS }, async ({ cache, data, onDisk }) => {
    const guards = [...(await take(data, 3)), ...(await take(cache.partition('log'), 3))]
    change(guards, 50)
    cache.commit(...guards)
    await cache.flush({ partition: 'data' })
    assert.equal([onDisk(3, 'data')[0], onDisk(3, 'log')[0]], [50, 50])
  }),
)

commits('of as many blocks as a thread may hold', () =>
  withCache({ cached: 600, partitions: { data: { blocks: 400 } } }, async ({ cache, data }) => {
    const guards = await take(data, ...Array.from({ length: 256 }, (_, block) => block))
    change(guards, 31)
    cache.commit(...guards)
    const all = await firstOf(data, ...Array.from({ length: 256 }, (_, block) => block))
    assert.ok(all.every((byte) => byte === 31))
  }),
)

commits('while another thread holds the round mutex leaves all blocks to it', async () => {
  const arena = smallArena()
  const words = arena.words
  const mutexAt = arena.groupAt(0) + Group.mutex
  const client = new Client(smallContext(arena))
  const guards = [1, 2].map((block) => client.partition('a').acquireSync(block, 'overwrite'))
  change(guards, 8)
  words[mutexAt] = 200
  client.commit(...guards)
  assert.ok(words[arena.groupAt(0) + Group.pending] !== 0)
  assert.is(client.partition('a').tryAcquire(1, 'read'), undefined)
  words[mutexAt] = 0
  client.kick() // takes the mutex
  assert.equal(await firstOf(client.partition('a'), 1, 2), [8, 8])
  assert.equal(client.check(), [])
})

/** Tries to commit guards of blocks 1 and 2 with one more; afterwards both must be held and as they were. */
function refused(
  name: string,
  code: 'ERR_DCACHE_COMMIT' | 'ERR_DCACHE_GUARD_MODE' | 'ERR_DCACHE_GUARD_RELEASED' | 'ERR_DCACHE_BAD_OPTION',
  third: (bench: Bench, guards: BlockGuard[]) => unknown,
  ...texts: (string | number)[]
): void {
  commits(`of ${name} is refused, and releases nothing`, () =>
    withCache({ partitions: TWO_GROUPS }, async (bench) => {
      const { cache, data } = bench
      const guards = await take(data, 1, 2)
      change(guards, 99)
      const more = await third(bench, guards)
      refusalNow(code, () => cache.commit(...guards, more as BlockGuard), ...texts)
      refusalNow(code, () => cache.commit(more as BlockGuard, ...guards), ...texts)
      assert.equal(
        guards.map((guard) => guard.data[0]),
        [99, 99],
      )
      assert.is(data.tryAcquire(1, 'read'), undefined)
      for (const guard of guards) guard.discard()
      assert.is(cache.stats().blocks.dirty, 0)
      if (!guards.includes(more as BlockGuard))
        (more as Partial<Disposable> | undefined)?.[Symbol.dispose]?.()
    }),
  )
}

refused('a guard that is not marked', 'ERR_DCACHE_COMMIT', async ({ data }) => data.acquire(3, 'modify'), 'block 3', 'markDirty') // prettier-ignore
refused('a read guard', 'ERR_DCACHE_GUARD_MODE', async ({ data }) => data.acquire(3, 'read'), 'block 3')
refused('a guard twice', 'ERR_DCACHE_COMMIT', (_, guards) => guards[1], 'block 2', 'twice')
refused(
  'a released guard',
  'ERR_DCACHE_GUARD_RELEASED',
  async ({ data }) => {
    const guard = await data.acquire(3, 'modify')
    guard.markDirty()
    guard.discard()
    return guard
  },
  'block 3',
)
refused(
  'a guard of another group',
  'ERR_DCACHE_COMMIT',
  async ({ cache }) => {
    const guard = await cache.partition('other').acquire(3, 'modify')
    guard.markDirty()
    return guard
  },
  "'other'",
  'group',
)
for (const [name, thing] of [
  ['a number', 3],
  ['nothing', undefined],
  ['an array of guards', []],
  ['what looks like a guard', { block: 3, release: () => undefined, markDirty: () => undefined }],
] as const)
  refused(name, 'ERR_DCACHE_BAD_OPTION', () => thing, 'commit')

commits('of no guard is refused', () =>
  withCache({}, ({ cache }) => {
    refusalNow('ERR_DCACHE_BAD_OPTION', () => cache.commit(), 'without a guard')
  }),
)

commits('of a guard of another client is refused', () => {
  const arena = smallArena()
  const [one, two] = [new Client(smallContext(arena)), new Client(smallContext(arena))] as const
  const guards = [one, two].map((client, i) => client.partition('a').acquireSync(i, 'overwrite'))
  change(guards, 7)
  refusalNow('ERR_DCACHE_COMMIT', () => one.commit(...guards), 'another client')
  one.commit(guards[0]!)
  two.commit(guards[1]!)
})

commits.run()

const updates = suite('update')

const AS_ASKED = [4, 2, 9] as const

for (const form of ['update', 'updateSync'] as const) {
  /** Calls it with a function that may not wait. */
  const call = async <T>(
    cache: CacheClient,
    blocks: readonly (readonly [Partition | string, number])[],
    fn: (guards: readonly BlockGuard[]) => T,
  ): Promise<T> =>
    form === 'update'
      ? cache.update(blocks, async (guards) => Promise.resolve(fn(guards)))
      : cache.updateSync(blocks, fn)

  /** So that a call that may not wait finds the blocks. */
  const warm = async (data: Partition): Promise<void> => data.read(new Uint8Array(10 * 512), 0)

  updates(`${form} passes the guards as asked, commits the marked ones, releases the others`, () =>
    withCache({}, async ({ cache, data }) => {
      await warm(data)
      const before = await firstOf(data, 2)
      const result = await call(
        cache,
        [
          [data, 4],
          ['data', 2],
          [data, 9],
        ],
        (guards) => {
          // prettier-ignore
          assert.equal(
          guards.map(({ block }) => block),
          AS_ASKED,
        )
          change([guards[0]!, guards[2]!], 42)
          return 'done'
        },
      )
      assert.is(result, 'done')
      assert.equal(await firstOf(data, 4, 2, 9), [42, ...before, 42])
      assert.is(cache.stats().blocks.dirty, 2)
    }),
  )

  updates(`${form} discards all if the function fails, and passes the error on`, () =>
    withCache({}, async ({ cache, data }) => {
      await warm(data)
      const before = await firstOf(data, 1, 2)
      const error = new Error('no')
      const failing = (guards: readonly BlockGuard[]) => {
        change(guards, 42)
        throw error
      }
      try {
        await call(cache, [[data, 2], [data, 1]], failing) // prettier-ignore
        assert.unreachable()
      } catch (caught) {
        assert.is(caught, error)
      }
      await warm(data)
      assert.equal(await firstOf(data, 1, 2), before)
    }),
  )

  updates(`${form} leaves out guards that the function has released or discarded`, () =>
    withCache({}, async ({ cache, data }) => {
      await warm(data)
      await call(
        cache,
        [
          [data, 1],
          [data, 2],
          [data, 3],
        ],
        (guards) => {
          // prettier-ignore
          change(guards, 42)
          guards[0]!.release()
          guards[1]!.discard()
        },
      )
      await warm(data)
      assert.equal(await firstOf(data, 1, 3), [42, 42])
      assert.is.not((await firstOf(data, 2))[0], 42)
    }),
  )

  updates(`${form} refuses bad arguments, and acquires nothing`, () =>
    withCache({ partitions: TWO_GROUPS }, async ({ cache, data }) => {
      const no = () => {
        throw new Error('called')
      }
      const refuses = async (code: Parameters<typeof refusal>[0], blocks: unknown, ...texts: string[]) => {
        await refusal(code, () => call(cache, blocks as [], no), ...texts)
        assert.equal(cache.holders(), [])
      }
      for (const blocks of [undefined, 3, [], 'data', [3], [[data]], [[data, 1, 2]], [[undefined, 1]]])
        await refuses('ERR_DCACHE_BAD_OPTION', blocks, 'update')
      await refuses('ERR_DCACHE_BAD_OPTION', [[data, 1], ['data', 1]], 'block 1', 'twice') // prettier-ignore
      await refuses('ERR_DCACHE_BAD_OPTION', [[{ ...data, name: 'data' }, 1]])
      await refuses('ERR_DCACHE_COMMIT', [[data, 1], ['other', 1]], "'other'", 'group') // prettier-ignore
      await refuses('ERR_DCACHE_UNKNOWN_PARTITION', [['none', 1]], 'none')
      for (const block of [-1, 64, 1.5, '1', NaN]) await refuses('ERR_DCACHE_OUT_OF_RANGE', [[data, 1], [data, block]]) // prettier-ignore
      await refusal('ERR_DCACHE_BAD_OPTION', () => cache[form]([[data, 1]], 3 as never), 'function')
      const bad = { timeoutMs: -1 }
      await refusal('ERR_DCACHE_BAD_OPTION', () => cache.update([[data, 1]], no, bad), 'timeoutMs')
      refusalNow('ERR_DCACHE_BAD_OPTION', () => cache.updateSync([[data, 1]], no, bad), 'timeoutMs')
      assert.equal(cache.holders(), [])
    }),
  )
}

updates('updateSync refuses a function that returns a promise, and discards its changes', () =>
  withCache({}, async ({ cache, data }) => {
    await data.read(new Uint8Array(512), 0)
    const before = await firstOf(data, 0)
    const late: unknown[] = []
    refusalNow(
      'ERR_DCACHE_BAD_OPTION',
      () =>
        cache.updateSync([[data, 0]], async ([guard]) => {
          change([guard], 42)
          await Promise.resolve()
          try {
            guard.markDirty()
          } catch (error) {
            late.push(error)
          }
        }),
      'promise',
    )
    await new Promise(setImmediate)
    assert.is(late.length, 1)
    await data.read(new Uint8Array(512), 0)
    assert.equal(await firstOf(data, 0), before)
  }),
)

updates('updateSync works only without a wait on a thread that may not block', () =>
  withCache({}, async ({ cache, data }) => {
    await data.read(new Uint8Array(512), 0)
    refusalNow('ERR_DCACHE_WOULD_BLOCK', () => cache.updateSync([[data, 0], [data, 20]], () => 0)) // prettier-ignore
    assert.equal(cache.holders(), [])
  }),
)

updates('a wait that ends by its deadline or its signal releases what was acquired', () =>
  withCache({}, async ({ cache, data }) => {
    const held = await data.acquire(5, 'modify')
    const no = () => assert.unreachable()
    await refusal('ERR_DCACHE_TIMEOUT', () => cache.update([[data, 5], [data, 4]], no, { timeoutMs: 30 }), 5) // prettier-ignore
    ;(await data.acquire(4, 'modify')).release()
    const signals = new AbortController()
    const waiting = cache.update([[data, 5], [data, 4]], no, { signal: signals.signal }) // prettier-ignore
    assert.is(data.tryAcquire(4, 'read'), undefined)
    signals.abort()
    await refusal('ERR_DCACHE_ABORTED', () => waiting)
    await refusal('ERR_DCACHE_ABORTED', () => cache.update([[data, 4]], no, { signal: signals.signal }))
    ;(await data.acquire(4, 'modify')).release()
    held.release()
  }),
)

updates('updates of opposite orders, of several threads and tasks, never wait in a cycle', () =>
  withCache({ flushDelayMs: 1 }, async ({ cache, data }) => {
    const gates = new Gates()
    const threads = [0, 1, 2].map((index) =>
      startThread(
        cache.handle,
        index,
        ({ client, args, pass }) => {
          const data = client.partition('data')
          pass(0)
          for (let i = 0; i < 200; i++) {
            const [a, b] = [(i * 7 + args) % 6, (i * 7 + args + 1 + (i % 5)) % 6]
            client.updateSync(
              [
                [data, a],
                [data, b],
              ],
              ([from, to]) => {
                // prettier-ignore
                from.data[8]! -= 1
                to.data[8]! += 1
                from.markDirty()
                to.markDirty(i % 40 === 0 ? 'directory' : 'data')
              },
            )
          }
        },
        { gates },
      ),
    )
    const sum = () => firstSum(data, 6)
    const before = await sum()
    gates.open(0)
    const task = async (down: boolean) => {
      for (let i = 0; i < 50; i++) {
        const blocks = [0, 1, 2, 3, 4, 5].map((block) => [data, down ? 5 - block : block] as const)
        await cache.update(blocks, (guards) => {
          const total = guards.reduce((all, guard) => all + guard.data[8]!, 0)
          assert.is(total & 255, before & 255)
        })
      }
    }
    await Promise.all([task(false), task(true), ...threads.map(({ result }) => result)])
    assert.is((await sum()) & 255, before & 255)
  }),
)

async function firstSum(data: Partition, blocks: number): Promise<number> {
  let sum = 0
  for (let block = 0; block < blocks; block++) {
    const bytes = new Uint8Array(1)
    await data.read(bytes, block * 512 + 8)
    sum += bytes[0]!
  }
  return sum
}

updates('an attached thread has both calls', () =>
  withCache({}, async ({ cache, data }) => {
    const result = await inThread(cache.handle, 0, async ({ client }) => {
      const data = client.partition('data')
      client.updateSync(
        [
          [data, 30],
          ['data', 31],
        ],
        (guards) => {
          // prettier-ignore
          for (const guard of guards) {
          guard.data[0] = 1
          guard.markDirty()
        }
        },
      )
      return client.update([[data, 30]], async ([guard]) => Promise.resolve(guard.data[0]!))
    })
    assert.is(result, 1)
    await data.read(new Uint8Array(1024), 30 * 512)
    assert.equal(await firstOf(data, 30, 31), [1, 1])
  }),
)

updates.run()
