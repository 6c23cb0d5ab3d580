// What threads may rely on: they see each other's released changes, a block is read from the disk once however many callers
// ask, and the tasks of one thread exclude each other.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { copyOf, Gates, inThread, startThread, withCache } from '../support/open.js'

const coherence = suite('coherence')

coherence('the next reader sees a released change, whichever thread reads', () =>
  withCache({ flushDelayMs: 3 }, async ({ cache, data }) => {
    const gates = new Gates()
    const rounds = 20
    const thread = startThread(
      cache.handle,
      rounds,
      ({ client, args, open, pass }) => {
        const partition = client.partition('data')
        for (let i = 1; i <= args; i++) {
          pass(2 * i)
          const guard = partition.acquireSync(3, 'modify')
          const seen = guard.data[9]
          if (seen !== 2 * i - 1) throw new Error(`saw ${String(seen)} in round ${i}`)
          guard.data[9] = 2 * i
          guard.markDirty()
          guard.release()
          open(2 * i + 1)
        }
      },
      { gates },
    )
    for (let i = 1; i <= rounds; i++) {
      await data.write(new Uint8Array([2 * i - 1]), 3 * 512 + 9)
      gates.open(2 * i)
      await Promise.race([gates.opened(2 * i + 1), thread.result])
      const seen = new Uint8Array(1)
      await data.read(seen, 3 * 512 + 9)
      assert.is(seen[0], 2 * i)
    }
    await thread.result
  }),
)

coherence('counts of many threads add up, because a writer is exclusive', () =>
  withCache({ cached: 6, flushDelayMs: 2, dirtyLimit: 1 }, async ({ cache, data, onDisk }) => {
    await data.write(new Uint8Array(64 * 512), 0)
    const body = async ({ client }: { client: { partition: typeof cache.partition } }) => {
      const partition = client.partition('data')
      for (let i = 0; i < 1500; i++) {
        const guard = await partition.acquire((i * 5) % 10, 'modify')
        const count = new DataView(guard.bytes.buffer, guard.bytes.byteOffset + guard.offset)
        count.setUint32(0, count.getUint32(0) + 1)
        guard.markDirty()
        guard.release()
      }
    }
    const sync = ({ client }: { client: { partition: typeof cache.partition } }) => {
      const partition = client.partition('data')
      for (let i = 0; i < 3000; i++) {
        const guard = partition.acquireSync((i * 3) % 10, 'modify')
        const count = new DataView(guard.bytes.buffer, guard.bytes.byteOffset + guard.offset)
        count.setUint32(0, count.getUint32(0) + 1)
        guard.markDirty()
        guard.release()
      }
    }
    await Promise.all([
      inThread(cache.handle, 0, sync),
      inThread(cache.handle, 0, sync),
      inThread(cache.handle, 0, body),
      body({ client: cache }),
    ])
    await cache.flush()
    let sum = 0
    for (let block = 0; block < 10; block++) sum += new DataView(onDisk(block).buffer).getUint32(0)
    assert.is(sum, 9000)
  }),
)

coherence('a block is read once, however many threads and tasks ask concurrently', () =>
  withCache({ cached: 64, partitions: { data: { blockSize: 4096 } } }, async ({ cache, data }) => {
    const gates = new Gates()
    const threads = [1, 2, 3].map((gate) =>
      startThread(
        cache.handle,
        gate,
        ({ client, args, open, pass }) => {
          open(args)
          pass(0)
          const partition = client.partition('data')
          for (let block = 0; block < 60; block++) partition.acquireSync(block, 'read').release()
        },
        { gates },
      ),
    )
    await Promise.all([gates.opened(1), gates.opened(2), gates.opened(3)])
    gates.open(0)
    const tasks = Array.from({ length: 60 }, async (_, block) => {
      const guards = await Promise.all([data.acquire(block, 'read'), data.acquire(block, 'read')])
      for (const guard of guards) guard.release()
    })
    await Promise.all([...tasks, ...threads.map(({ result }) => result)])
    assert.is(cache.stats().diskReads, 60)
    assert.is(cache.stats().diskReadBytes, 60 * 4096)
  }),
)

coherence('two tasks of one thread exclude each other', () =>
  withCache({}, async ({ data }) => {
    let inside = 0
    let most = 0
    const task = async () => {
      for (let i = 0; i < 20; i++) {
        using guard = await data.acquire(3, i % 2 === 0 ? 'modify' : 'overwrite')
        most = Math.max(most, ++inside)
        await new Promise(setImmediate)
        inside--
        guard.data[0] = guard.data[0]! + 1
        guard.markDirty()
      }
    }
    await Promise.all([task(), task(), task()])
    assert.is(most, 1)
    using guard = await data.acquire(3, 'read')
    assert.is(guard.data[0], 60)
  }),
)

coherence('a guard’s data is the block itself, not a copy', () =>
  withCache({}, async ({ cache, data }) => {
    const guard = await data.acquire(3, 'modify')
    guard.bytes[guard.offset + 1] = 77
    assert.is(guard.data[1], 77)
    assert.is(guard.data.buffer, cache.handle.buffer)
    assert.is(guard.bytes.buffer, cache.handle.buffer)
    guard.markDirty()
    guard.release()
    using again = await data.acquire(3, 'read')
    assert.equal(copyOf(again.bytes.subarray(again.offset, again.offset + 512)), copyOf(again.data))
  }),
)

coherence.run()
