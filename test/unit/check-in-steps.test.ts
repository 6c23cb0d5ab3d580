// `checkInSteps` and `holdersInSteps`: the event loop runs between their slices, and no lock is held there; what other threads change
// in the meantime is no violation; and they end early. That they find each kind of damage is in check.test.ts.

import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BlockCache, openCache } from 'dcache'
import { checkInSteps } from '#dist/core/inspect/check.js'
import { checkGroups } from '#dist/core/inspect/check-groups.js'
import { checkFreeList, checkPolicy } from '#dist/core/inspect/check-lists.js'
import { inSlices, PIECE, type Steps } from '#dist/shared/steps.js'
import { runAsync } from '#dist/shared/wait.js'
import { openArena } from '#dist/workers/attach.js'
import type { Context } from '#dist/core/context.js'
import type { Arena } from '#dist/shared/arena.js'
import { firstClientSlot } from '#dist/shared/layout.js'
import { assertSound, type OpenOptions, refusal, startThread, until, withCache } from '../support/open.js'
import { Random } from '../crash/random.js'
import { smallContext, smallArena } from '../support/small-context.js'
import { tempFolder } from '../support/temp.js'

/** Several pieces of frames. */
const CACHED = 6 * PIECE
const BLOCKS = CACHED + 1000

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Another context of a cache that runs. */
const inspector = (arena: Arena, policy?: 'lru2' | 'adaptive'): Context =>
  smallContext(arena, policy, false, firstClientSlot(arena.geometry))

const slices = suite('slices')

/** A cache with so many frames that a check takes many slices on any machine. */
async function withLarge(body: (cache: BlockCache) => Promise<void>): Promise<void> {
  using folder = tempFolder()
  const partitions = { data: { path: join(folder.path, 'data'), blockSize: 512, size: '1MiB' } }
  const cache = await openCache({ memory: 512 * 300_000, partitions, flushDelayMs: 1e9 })
  try {
    await body(cache)
  } finally {
    await cache.abandon()
  }
}

slices('the event loop runs between them', () =>
  withLarge(async (cache) => {
    await cache.partition('data').write(new Uint8Array(512 * 100), 0)
    const guard = await cache.partition('data').acquire(7, 'modify')
    for (const call of [() => cache.checkInSteps(), () => cache.holdersInSteps()]) {
      let [turns, isDone] = [0, false]
      const done = call().finally(() => (isDone = true))
      while (!isDone) {
        await turn()
        turns++
      }
      assert.ok(turns > 1, String(turns))
      const found = await done
      assert.equal(
        found.filter((one) => typeof one === 'string'),
        [],
      )
    }
    const held = (await cache.holdersInSteps()).filter(({ what }) => what === 'holds')
    assert.equal(
      held.map(({ mode, block, partition }) => [mode, block, partition]),
      [['modify', 7, 'data']],
    )
    guard.release()
  }),
)

slices('the signal ends them, with its reason', () =>
  withLarge(async (cache) => {
    for (const call of ['checkInSteps', 'holdersInSteps'] as const) {
      const reason = new Error('enough')
      const signal = AbortSignal.abort(reason)
      assert.is((await refusal('ERR_DCACHE_ABORTED', () => cache[call]({ signal }))).cause, reason)
      const controller = new AbortController()
      const call2 = cache[call]({ signal: controller.signal })
      controller.abort(reason)
      assert.is((await refusal('ERR_DCACHE_ABORTED', () => call2)).cause, reason)
    }
    assert.equal(await cache.checkInSteps({ signal: new AbortController().signal }), [])
  }),
)

slices('the end of the cache ends a check, and a thread does not detach during one', () =>
  withLarge(async (cache) => {
    const { handle } = cache
    const thread = startThread(handle, 0, async ({ client }) => {
      const check = client.checkInSteps()
      let code = ''
      try {
        client.detach()
      } catch (error) {
        code = (error as { code: string }).code
      }
      return [code, ...(await check)]
    })
    assert.equal(await thread.result, ['ERR_DCACHE_GUARDS_HELD'])
    function* endless(): Steps<never> {
      for (;;) yield
    }
    // The host's own context is not reachable: another one of the same cache.
    const context = inspector(openArena(handle))
    const goOn = () => {
      context.assertRunning()
    }
    const ended = refusal('ERR_DCACHE_CLOSED', () => runAsync(inSlices(endless(), goOn)))
    await turn()
    await cache.abandon()
    await ended
    await refusal('ERR_DCACHE_CLOSED', () => cache.checkInSteps())
    assert.equal(
      (await cache.holdersInSteps()).filter(({ what }) => what === 'waits'),
      [],
    )
  }),
)

slices.run()

const pieces = suite('pieces')

/** A context that counts the frames that an inspection looks at. */
function counted(context: Context): { context: Context; looks: () => number } {
  let looks = 0
  const { arena } = context
  const spy = Object.create(arena, {
    frameAt: {
      value: (frame: number) => {
        looks++
        return arena.frameAt(frame)
      },
    },
  }) as typeof arena
  return {
    context: Object.create(context, { arena: { value: spy } }) as Context,
    looks: () => looks,
  }
}

const holdsAny = ({ slot, policyMutex, stripes, roundMutexes }: Context): boolean =>
  [policyMutex, ...stripes, ...roundMutexes].some((mutex) => mutex.holder() === slot.index)

for (const policy of ['lru2', 'adaptive'] as const)
  pieces(`each is small, and ends without a lock (${policy})`, () => {
    const own = smallContext(smallArena({ memory: 512 * 20_000, policy }), policy)
    const { context, looks } = counted(own)
    let before = looks()
    let most = 0
    const steps = checkInSteps(context)
    for (let turn = steps.next(); ; turn = steps.next()) {
      most = Math.max(most, looks() - before)
      before = looks()
      assert.not.ok(holdsAny(own))
      if (!turn.done) continue
      assert.equal(turn.value, [])
      break
    }
    assert.ok(most <= 8 * PIECE, `${most} looks in one piece`)
  })

pieces.run()

const load = suite('beside a load')

const OPTIONS: readonly [string, OpenOptions][] = [
  ['adaptive', { policy: 'adaptive' }],
  ['lru2, groups and a share', { policy: 'lru2', partitions: { data: { blocks: BLOCKS, share: 0.5 }, more: { blocks: BLOCKS, group: 'more' } } }],
] // prettier-ignore

const opened = (options: OpenOptions): OpenOptions => ({
  cached: CACHED,
  partitions: { data: { blocks: BLOCKS }, more: { blocks: BLOCKS } },
  flushDelayMs: 20,
  dirtyLimit: 0.3,
  ...options,
})

for (const [name, options] of OPTIONS)
  load(`20 checks find nothing while threads read, change, flush and forget (${name})`, () =>
    withCache(opened(options), async ({ cache }) => {
      const stop = new Int32Array(new SharedArrayBuffer(16))
      const threads = [1, 2, 3].map((seed) =>
        startThread(cache.handle, { stop, seed, blocks: BLOCKS }, ({ client, args }) => {
          const classes = ['data', 'directory', 'trailer']
          let state = args.seed * 7919
          const below = (limit: number) => {
            state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
            return Math.floor((state / 0x80000000) * limit)
          }
          for (let calls = 0; Atomics.load(args.stop, 0) === 0; calls++) {
            Atomics.add(args.stop, args.seed, 1)
            const partition = client.partition(below(2) === 0 ? 'data' : 'more')
            const block = below(args.blocks)
            const what = below(100)
            if (what < 60) partition.acquireSync(block, 'read').release()
            else if (what < 97) {
              const guard = partition.acquireSync(block, what < 80 ? 'modify' : 'overwrite')
              guard.data.fill(calls)
              if (what % 5 === 0) guard.discard()
              else {
                guard.markDirty(classes[below(3)])
                guard.release()
              }
            } else if (what < 99) partition.forget(block, Math.min(4, args.blocks - block))
            else client.flushSync()
          }
        }),
      )
      try {
        await until('the threads', () => stop.subarray(1).every((calls) => calls > 100))
        for (let checks = 0; checks < 20; checks++) {
          assert.equal(await cache.checkInSteps(), [])
          if (checks % 4 === 0) cache.evictClean()
        }
      } finally {
        Atomics.store(stop, 0, 1)
      }
      for (const { result } of threads) await result
      await cache.flush()
    }),
  )

for (const [name, options] of OPTIONS)
  load(`nothing is found when the cache changes between any two pieces (${name})`, () =>
    withCache(opened({ ...options, flushDelayMs: 1e9 }), async ({ cache, arena }) => {
      const random = new Random(1)
      const [data, more] = [cache.partition('data'), cache.partition('more')]
      const context = inspector(arena, options.policy)
      const change = async (): Promise<void> => {
        const partition = random.pick([data, more])
        const block = random.below(BLOCKS - 64)
        const what = random.below(100)
        if (what < 40) await partition.read(new Uint8Array(512 * (1 + random.below(40))), 512 * block)
        else if (what < 80) {
          const writeClass = random.pick(['data', 'directory', 'trailer'])
          await partition.write(new Uint8Array(512 * (1 + random.below(20))), 512 * block, writeClass)
        } else if (what < 88) partition.forget(block, 1 + random.below(64))
        else if (what < 92) await cache.flush()
        else if (what < 94) cache.evictClean()
        else {
          const guard = await partition.acquire(block, 'modify')
          await turn()
          if (what < 97) guard.discard()
          else guard.release()
        }
      }
      for (let i = 0; i < 100; i++) await change()
      for (let checks = 0; checks < 4; checks++) {
        const steps = checkInSteps(context)
        let count = 0
        for (let turn = steps.next(); ; turn = steps.next(), count++) {
          if (!turn.done) {
            if (count % (checks + 1) === 0) await change()
            continue
          }
          assert.equal(turn.value, [])
          break
        }
        assert.ok(count > 2 * (CACHED / PIECE), String(count))
      }
      await cache.flush()
      await until('the releases', () => cache.stats().blocks.held === 0)
      assertSound(cache)
    }),
  )

/** A generator that drops all its blocks, and brings others, after some of its pieces. */
load('nothing is found when all blocks are evicted and others loaded between two pieces', () =>
  withCache(opened({}), async ({ cache, data, arena }) => {
    const context = inspector(arena, 'adaptive')
    const fill = async (first: number) => {
      cache.evictClean()
      await data.read(new Uint8Array(512 * CACHED), 512 * first)
    }
    await fill(0)
    for (const part of [checkFreeList, checkPolicy, checkGroups, ({ context }: { context: Context }) => checkInSteps(context)]) {
      for (const every of [2, 3, 7]) {
        const check = { context, broken: [] as string[] }
        const steps = part(check) as Steps<unknown>
        let turn = steps.next()
        for (let count = 1; !turn.done; count++) {
          if (count % every === 0) await fill(count % 1000)
          if (count % every === 1) cache.evictClean()
          turn = steps.next()
        }
        assert.equal(check.broken, [])
        if (Array.isArray(turn.value)) assert.equal(turn.value, [])
      }
    }
  }),
) // prettier-ignore

load.run()
