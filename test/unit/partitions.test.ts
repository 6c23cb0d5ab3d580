// @deadline 300
// Partitions that come, grow and go: every thread sees them by name at once, none reads through an old number or an old descriptor,
// and nothing is left of one that could not be opened, or that was dropped.

import { existsSync, fstatSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache } from 'dcache'
import { readRecord } from '#dist/shared/partition-record.js'
import { type Bench, blockBytes, Gates, memoryFor, refusal, refusalNow, startThread, withCache, writeBlocks } from '../support/open.js' // prettier-ignore
import { sample } from '../support/size.js'

/** Writes a file of 8 blocks, whose contents tell the file. */
function fileFor({ paths }: Bench, name: string, file: number): { path: string; blockSize: number } {
  const path = join(dirname(paths['data']!), name)
  writeBlocks(path, 8, 512, file)
  return { path, blockSize: 512 }
}

const bytes = (value: number) => new Uint8Array(512).fill(value)

const coming = suite('a partition comes')

coming('and the owner and attached threads read and change it', () =>
  withCache({}, async (bench) => {
    const { cache } = bench
    const gates = new Gates()
    const { result } = startThread<number, number[]>(
      cache.handle,
      0,
      ({ client, open, pass }) => {
        open(0)
        pass(1)
        const more = client.partition('more')
        const target = new Uint8Array(512)
        more.readSync(target, 3 * 512)
        more.writeSync(new Uint8Array(512).fill(9), 512)
        client.flushSync({ partition: 'more' })
        return [...target]
      },
      { gates },
    )
    await gates.opened(0)
    const more = await cache.addPartition('more', fileFor(bench, 'more', 5))
    assert.is(more, cache.partition('more'))
    assert.equal([more.name, more.blocks, more.blockSize, more.readOnly], ['more', 8, 512, false])
    gates.open(1)
    assert.equal(await result, [...blockBytes(3, 512, 5)])
    assert.equal(
      readFileSync(join(dirname(bench.paths['data']!), 'more')).subarray(512, 1024),
      Buffer.from(bytes(9)),
    )
    const target = new Uint8Array(512)
    await more.read(target, 512)
    assert.equal(target, bytes(9))
    assert.equal(JSON.parse(JSON.stringify(cache)), { state: 'open', partitions: ['data', 'more'] })
  }),
)

coming('with a size, and its file is created', () =>
  withCache({}, async (bench) => {
    const path = join(dirname(bench.paths['data']!), 'fresh')
    const fresh = await bench.cache.addPartition('fresh', { path, blockSize: 512, size: 4096 })
    assert.is(fresh.blocks, 8)
    await refusal('ERR_DCACHE_IN_USE', () => openCache({ memory: memoryFor(16), partitions: { other: { path, blockSize: 512 } } })) // prettier-ignore
  }),
)

coming('not with bad options, and nothing is left of it', () =>
  withCache({ maxPartitions: 2 }, async (bench) => {
    const { cache } = bench
    const path = join(dirname(bench.paths['data']!), 'bad')
    const good = { path, blockSize: 512, size: 4096 }
    const add = (name: unknown, more: object) => () =>
      cache.addPartition(name as string, { ...good, ...more })
    await refusal('ERR_DCACHE_BAD_OPTION', add('data', {}), "'data'", 'already')
    await refusal('ERR_DCACHE_BAD_OPTION', add(7, {}), '7')
    await refusal('ERR_DCACHE_BAD_OPTION', add('', {}))
    await refusal('ERR_DCACHE_BAD_OPTION', add('x', { group: 'none' }), "'none'")
    await refusal('ERR_DCACHE_BAD_BLOCK_SIZE', add('x', { blockSize: 1024 }), 1024, 512)
    await refusal('ERR_DCACHE_BAD_FILE', add('x', { path: '/none/none' }))
    await refusal('ERR_DCACHE_IN_USE', add('x', { path: bench.paths['data']! }), 'overlap')
    assert.not(existsSync(path))
    await cache.addPartition('x', good)
    const more = { path: `${path}2` }
    await refusal('ERR_DCACHE_BAD_OPTION', add('y', more), 'maxPartitions')
    assert.not(existsSync(`${path}2`))
    await cache.dropPartition('x')
    await cache.addPartition('y', { ...good, ...more })
  }),
)

const going = suite('a partition goes')

going('with its changes durable, its file closed, and its name unknown to all threads', () =>
  withCache({}, async (bench) => {
    const { cache, arena } = bench
    const options = fileFor(bench, 'more', 5)
    const more = await cache.addPartition('more', options)
    const { fd } = readRecord(arena, 1)
    await more.write(bytes(7), 0)
    const gates = new Gates()
    const { result } = startThread<number, string[]>(
      cache.handle,
      0,
      ({ client, open, pass }) => {
        const old = client.partition('more')
        const codes: string[] = []
        const code = (call: () => unknown) => {
          try {
            call()
          } catch (error) {
            codes.push((error as { code: string }).code)
          }
        }
        old.readSync(new Uint8Array(8), 0)
        open(0)
        pass(1)
        code(() => old.readSync(new Uint8Array(8), 0))
        code(() => old.acquireSync(0, 'read'))
        code(() => old.acquireSync(0, 'modify'))
        code(() => old.acquireSync(5, 'overwrite'))
        code(() => old.tryAcquire(0, 'read'))
        code(() => {
          old.writeSync(new Uint8Array(8), 0)
        })
        code(() => {
          old.prefetch(0, 1)
        })
        code(() => {
          old.forget(0, 1)
        })
        code(() => client.partition('more'))
        code(() => {
          client.flushSync({ partition: 'more' })
        })
        return codes
      },
      { gates },
    )
    await gates.opened(0)
    await cache.dropPartition('more')
    gates.open(1)
    assert.equal(await result, new Array(10).fill('ERR_DCACHE_UNKNOWN_PARTITION'))
    assert.throws(() => fstatSync(fd), /EBADF/)
    assert.equal(readFileSync(options.path).subarray(0, 512), Buffer.from(bytes(7)))
    await refusal('ERR_DCACHE_UNKNOWN_PARTITION', () => cache.dropPartition('more'), 'more', 'data')
    const other = await openCache({ memory: memoryFor(16), partitions: { more: options } })
    await other.close()
  }),
)

going('without a flush, and its changes are forgotten', () =>
  withCache({}, async (bench) => {
    const options = fileFor(bench, 'more', 5)
    const more = await bench.cache.addPartition('more', options)
    await more.write(bytes(7), 0)
    await bench.cache.dropPartition('more', { flush: false })
    assert.is(bench.cache.stats().dirty, 0)
    assert.equal(new Uint8Array(readFileSync(options.path).subarray(0, 512)), blockBytes(0, 512, 5))
  }),
)

going('not while a guard is held: the error names the holder, and it stays as it was', () =>
  withCache({}, async (bench) => {
    const { cache } = bench
    const more = await cache.addPartition('more', fileFor(bench, 'more', 5))
    await more.write(bytes(7), 0)
    const guard = await more.acquire(3, 'modify')
    const drop = () => cache.dropPartition('more', { timeoutMs: 20 })
    await refusal('ERR_DCACHE_GUARDS_HELD', drop, "'more'", "'owner'", 'block 3')
    guard.data.fill(8)
    guard.markDirty()
    guard.release()
    await cache.flush()
    const target = new Uint8Array(512)
    await more.read(target, 3 * 512)
    assert.equal(target, bytes(8))
    // A guard that is released in time is waited for.
    const late = await more.acquire(3, 'read')
    const dropped = cache.dropPartition('more')
    setTimeout(() => {
      late.release()
    }, 30)
    await dropped
    refusalNow('ERR_DCACHE_UNKNOWN_PARTITION', () => more.tryAcquire(0, 'read'))
  }),
)

going('not when the cache ends in the meantime: the call fails, and everything is closed', () =>
  withCache({}, async (bench) => {
    const path = join(dirname(bench.paths['data']!), 'other')
    const options = { path, blockSize: 512, size: 4096 }
    const other = await openCache({ memory: memoryFor(16), partitions: { p: options } })
    const guard = await other.partition('p').acquire(0, 'read')
    const dropped = other.dropPartition('p').catch((error: unknown) => error)
    const grown = other
      .partition('p')
      .extend(1)
      .catch((error: unknown) => error)
    await new Promise((resolve) => setTimeout(resolve, 10))
    await other.abandon()
    for (const error of [await dropped, await grown])
      assert.ok(['ERR_DCACHE_CLOSED', 'ERR_DCACHE_UNKNOWN_PARTITION'].includes((error as { code: string }).code), String(error)) // prettier-ignore
    guard.release()
    await (await openCache({ memory: memoryFor(16), partitions: { p: options } })).close()
  }),
)

going('and bad options of the drop are refused', () =>
  withCache({}, async ({ cache }) => {
    await refusal('ERR_DCACHE_BAD_OPTION', () => cache.dropPartition('data', { timeoutMs: -1 }))
    await refusal('ERR_DCACHE_BAD_OPTION', () =>
      cache.dropPartition('data', { flush: 1 as unknown as boolean }),
    )
    await cache.dropPartition('data')
    await refusal('ERR_DCACHE_UNKNOWN_PARTITION', () => cache.dropPartition('data'))
    await cache.flush()
  }),
)

going('and the next one with its number and its descriptor is never taken for it', () =>
  withCache({ maxPartitions: 2, cached: 32 }, async (bench) => {
    const { cache, arena } = bench
    const gates = new Gates()
    const { result } = startThread<number, number>(
      cache.handle,
      0,
      ({ client, open }) => {
        // Reads what is there under the name; each partition tells by its bytes whose file it is, and by its name which it is.
        let reads = 0
        open(0)
        for (;;) {
          for (const name of ['p0', 'p1', 'end']) {
            try {
              const partition = client.partition(name)
              if (name === 'end') return reads
              const target = new Uint8Array(512)
              for (let i = 0; i < 20; i++) {
                const block = (reads * 3) % 8
                partition.readSync(target, block * 512)
                const number = new DataView(target.buffer).getUint32(0)
                const file = Math.floor(number / 1_000_000)
                if (number % 1_000_000 !== block || `p${file % 2}` !== name)
                  throw new Error(`block ${block} of '${name}' is ${number}`)
                reads++
              }
            } catch (error) {
              if ((error as { code?: string }).code !== 'ERR_DCACHE_UNKNOWN_PARTITION') throw error
            }
          }
        }
      },
      { gates },
    )
    await gates.opened(0)
    const fds = new Set<number>()
    for (let i = 2; i < 2 + sample(Array.from({ length: 200 }), 30).length; i++) {
      const name = `p${i % 2}`
      const partition = await cache.addPartition(name, fileFor(bench, `file${i % 4}`, i))
      fds.add(readRecord(arena, 1).fd)
      await partition.read(new Uint8Array(512), 0)
      await cache.dropPartition(name, { flush: i % 3 === 0 })
    }
    assert.ok(fds.size < 5, 'descriptors are used again')
    await cache.addPartition('end', fileFor(bench, 'end', 9))
    await result
  }),
)

const sizes = suite('a partition changes its size')

const sizeOf = (path: string) => statSync(path).size

sizes('and other threads see its new blocks, which are zeros, and keep them', () =>
  withCache({}, async (bench) => {
    const { cache, data, paths } = bench
    const gates = new Gates()
    const { result } = startThread<number, number[]>(
      cache.handle,
      0,
      ({ client, open, pass }) => {
        const own = client.partition('data')
        const before = own.blocks
        open(0)
        pass(1)
        const target = new Uint8Array(512).fill(1)
        own.readSync(target, 99 * 512)
        own.writeSync(new Uint8Array(512).fill(7), 99 * 512)
        client.flushSync()
        return [before, own.blocks, Math.max(...target)]
      },
      { gates },
    )
    await gates.opened(0)
    await data.resize(100)
    gates.open(1)
    assert.equal(await result, [64, 100, 0])
    assert.is(data.blocks, 100)
    assert.is(sizeOf(paths['data']!), 100 * 512)
    assert.equal(bench.onDisk(99), bytes(7))
    refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.tryAcquire(100, 'read'), 99)
  }),
)

sizes('and blocks beyond its end are forgotten, with their changes', () =>
  withCache({}, async (bench) => {
    const { cache, data, paths } = bench
    await data.write(bytes(7), 9 * 512)
    await data.write(bytes(8), 40 * 512)
    const guard = await data.acquire(9, 'read')
    await data.resize(10)
    guard.release()
    assert.is(cache.stats().dirty, 1)
    assert.is(sizeOf(paths['data']!), 10 * 512)
    await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.acquire(10, 'read'), 10)
    await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.read(new Uint8Array(512), 40 * 512))
    await data.resize(64)
    const target = bytes(1)
    await data.read(target, 40 * 512)
    assert.equal(target, bytes(0))
    await cache.flush()
    assert.equal(bench.onDisk(9), bytes(7))
  }),
)

sizes('not to fewer blocks while one beyond is held: the error names the holder', () =>
  withCache({}, async ({ data, paths }) => {
    const guard = await data.acquire(40, 'modify')
    await refusal('ERR_DCACHE_GUARDS_HELD', () => data.resize(10, { timeoutMs: 20 }), 'block 40', "'owner'")
    assert.is(data.blocks, 64)
    guard.data.fill(3)
    guard.markDirty()
    guard.release()
    const target = new Uint8Array(512)
    await data.read(target, 40 * 512)
    assert.equal(target, bytes(3))
    assert.is(sizeOf(paths['data']!), 64 * 512)
  }),
)

sizes('by many calls of several threads at once, which never get the same block', () =>
  withCache({}, async (bench) => {
    const { cache, data, paths } = bench
    const extend = (count: number) =>
      startThread<number, number[]>(cache.handle, count, async ({ client, args }) => {
        const own = client.partition('data')
        const firsts: number[] = []
        for (let i = 0; i < 20; i++) firsts.push(...(await Promise.all([own.extend(args), own.extend(args)])))
        return firsts
      }).result
    const [threes, fives] = await Promise.all([extend(3), extend(5)])
    const taken = new Set<number>()
    for (const [firsts, count] of [
      [threes, 3],
      [fives, 5],
    ] as const)
      // prettier-ignore
      for (const first of firsts) for (let i = 0; i < count; i++) taken.add(first + i)
    assert.is(taken.size, 40 * 8)
    assert.is(Math.min(...taken), 64)
    assert.is(data.blocks, 64 + 40 * 8)
    assert.is(sizeOf(paths['data']!), data.blocks * 512)
  }),
)

sizes('not if that is impossible, and nothing is changed', () =>
  withCache({ partitions: { data: {}, only: { readOnly: true } } }, async (bench) => {
    const { cache, data, paths } = bench
    for (const blocks of [0, -1, 1.5, NaN, 2 ** 60, '7']) {
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.resize(blocks as number))
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.extend(blocks as number))
    }
    await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.resize(2 ** 50), 2 ** 50)
    await refusal('ERR_DCACHE_BAD_OPTION', () => data.resize(7, { timeoutMs: -1 }))
    await refusal('ERR_DCACHE_READ_ONLY', () => cache.partition('only').resize(7))
    const path = join(dirname(paths['data']!), 'two')
    writeBlocks(path, 16)
    const [first, second] = [
      await cache.addPartition('first', { path, blockSize: 512, size: 4096 }),
      await cache.addPartition('second', { path, blockSize: 512, offset: 4096 }),
    ]
    await refusal('ERR_DCACHE_UNSUPPORTED', () => first.resize(9), "'second'")
    await second.resize(20)
    assert.is(sizeOf(path), (8 + 20) * 512)
    await cache.dropPartition('second')
    await refusal('ERR_DCACHE_UNSUPPORTED', () => first.extend(1), (8 + 20) * 512)
    await cache.dropPartition('first')
    await refusal('ERR_DCACHE_UNKNOWN_PARTITION', () => first.extend(1))
    assert.is(data.blocks, 64)
    assert.is(sizeOf(paths['data']!), 64 * 512)
  }),
)

sizes('to that of its file, if another program has changed that', () =>
  withCache({ partitions: { data: {}, only: { readOnly: true } } }, async ({ cache, data, paths }) => {
    const only = cache.partition('only')
    for (const [partition, name, code] of [
      [data, 'data', 'ERR_DCACHE_UNSUPPORTED'],
      [only, 'only', 'ERR_DCACHE_READ_ONLY'],
    ] as const) {
      truncateSync(paths[name]!, 80 * 512)
      await refusal(code, () => partition.extend(1))
      await partition.resize(80)
      const target = bytes(1)
      await partition.read(target, 79 * 512)
      assert.equal(target, bytes(0))
      truncateSync(paths[name]!, 50 * 512)
      await partition.resize(50)
      assert.is(partition.blocks, 50)
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => partition.read(target, 50 * 512))
    }
    // A write that comes after the program has cut the file makes it longer again.
    await data.write(bytes(9), 49 * 512)
    truncateSync(paths['data']!, 40 * 512)
    await cache.flush()
    await data.resize(40)
    assert.is(sizeOf(paths['data']!), 40 * 512)
  }),
)

coming.run()
going.run()
sizes.run()
