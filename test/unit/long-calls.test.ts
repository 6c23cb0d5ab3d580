// Long asynchronous reads and writes of cached blocks: the call yields to the event loop in between, with nothing held, and
// notices an abort. Short calls do not yield.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError, type Partition } from 'dcache'
import type { Arena } from '#dist/shared/arena.js'
import { isLatched } from '#dist/shared/latch.js'
import { Frame } from '#dist/shared/words.js'
import { assertSound, refusal, settled, withCache } from '../support/open.js'

const MIB = 2 ** 20
/** How many bytes are copied between two turns of the loop. */
const PART = 2 ** 18
const BYTES = 16 * MIB

/** Counts the turns of the event loop during a call, and runs `each` in every turn. */
async function turnsOf(call: () => Promise<void>, each: () => void = () => undefined): Promise<number> {
  let turns = 0
  let isOver = false
  const turn = () => {
    if (isOver) return
    turns++
    each()
    setImmediate(turn)
  }
  setImmediate(turn)
  try {
    await call()
  } finally {
    isOver = true
  }
  return turns
}

/** The frames that a thread has latched for a change, and whose release it has not left to the holder of the round mutex. */
const latched = (arena: Arena): number[] =>
  Array.from({ length: arena.frames }, (_, frame) => frame).filter((frame) => {
    const { words } = arena
    const at = arena.frameAt(frame)
    return isLatched(Atomics.load(words, at + Frame.latch)) && Atomics.load(words, at + Frame.released) === 0
  })

const calls: [string, (data: Partition, bytes: Uint8Array, signal?: AbortSignal) => Promise<void>][] = [
  ['read', (data, bytes, signal) => data.read(bytes, 0, signal && { signal })],
  ['write', (data, bytes, signal) => data.write(bytes, 0, undefined, signal && { signal })],
]

for (const blockSize of [512, 65536]) {
  const options = {
    memory: '24MiB',
    dirtyLimit: 1,
    flushDelayMs: 1e9,
    readAheadBytes: 0,
    partitions: { data: { blockSize, blocks: BYTES / blockSize } },
  }

  for (const [name, call] of calls) {
    test(`a ${name} of 16 MiB in blocks of ${blockSize} yields to the event loop`, () =>
      withCache(options, async ({ cache, data, arena }) => {
        const bytes = new Uint8Array(BYTES)
        await data.read(bytes, 0)
        const misses = cache.stats().misses
        const turns = await turnsOf(
          () => call(data, bytes),
          () => {
            assert.equal(latched(arena), [])
          },
        )
        assertSound(cache)
        assert.is(cache.stats().misses, misses, 'all of it was cached')
        assert.ok(turns >= 60, `${turns} turns`)
        // A short call ends in the same turn of the loop.
        const short = new Uint8Array(PART)
        await settled(cache)
        assert.is(await turnsOf(() => call(data, short)), 0)
      }))

    test(`an abort ends a ${name} of blocks of ${blockSize} in the middle`, () =>
      withCache(options, async ({ data }) => {
        const bytes = new Uint8Array(BYTES)
        await data.read(bytes, 0)
        const controller = new AbortController()
        let turns = 0
        const running = turnsOf(
          () => call(data, bytes.fill(255), controller.signal),
          () => {
            if (++turns === 4) controller.abort('enough')
          },
        )
        const error = (await running.catch((e: unknown) => e)) as CacheError
        assert.instance(error, CacheError)
        assert.is(error.code, 'ERR_DCACHE_ABORTED')
        assert.ok(turns <= 6, `${turns} turns`)
        // Blocks are processed in ascending order, each of them whole.
        const after = new Uint8Array(BYTES)
        await data.read(after, 0)
        if (name === 'write') {
          // No block of the file has this byte.
          const isNew = (block: number) => after[block * blockSize + 100] === 255
          let end = 0
          while (isNew(end)) end++
          assert.ok(end * blockSize >= 3 * PART && end * blockSize <= 6 * PART, `${end} blocks`)
          assert.ok(after.subarray(0, end * blockSize).every((byte) => byte === 255))
          for (let block = end; block < BYTES / blockSize; block++) assert.not.ok(isNew(block))
        }
      }))
  }
}

test('a call whose buffer is transferred in the middle fails', () =>
  withCache(
    {
      memory: '24MiB',
      dirtyLimit: 1,
      flushDelayMs: 1e9,
      partitions: { data: { blockSize: 4096, blocks: 2048 } },
    },
    async ({ data }) => {
      await data.read(new Uint8Array(8 * MIB), 0)
      for (const [, call] of calls) {
        const bytes = new Uint8Array(8 * MIB)
        const running = call(data, bytes).then(
          () => 'success',
          (error: unknown) => (error as Error).name,
        )
        structuredClone(bytes, { transfer: [bytes.buffer] })
        assert.is(await running, 'TypeError')
      }
      await data.write(new Uint8Array(MIB), 0)
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.read(new Uint8Array(MIB), 8 * MIB))
    },
  ))

test.run()
