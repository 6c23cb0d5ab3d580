// @deadline 300
// The files of partitions that change their size, when the disk is full, when other programs delete or truncate them, and when
// they have holes: nothing half-done stays, the size that all threads see is right, and the same call succeeds later.

import { existsSync, readFileSync, statSync, truncateSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { blockBytes, inThread, refusal, withCache } from '../support/open.js'
import { runProgram } from '../support/program.js'
import { tempFolder } from '../support/temp.js'

const BLOCK = 512
const bytes = (value: number) => new Uint8Array(BLOCK).fill(value)
const sizeOf = (path: string) => statSync(path).size

/** A module that makes calls of node:fs fail once with ENOSPC: `fault(name)`. A failing ftruncate does a part before. */
const FAULTS = `
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const real = { ...fs }
const faults = []
globalThis.fault = (...names) => { faults.push(...names) }
globalThis.faultsLeft = () => faults.length
const isDue = (name) => {
  const at = faults.indexOf(name)
  if (at >= 0) faults.splice(at, 1)
  return at >= 0
}
const failure = (syscall) => Object.assign(new Error('ENOSPC: injected, ' + syscall), { code: 'ENOSPC', errno: -28, syscall })
const half = (fd, size) => Math.floor((real.fstatSync(fd).size + size) / 2)
fs.ftruncate = (fd, size, done) => {
  if (!isDue('ftruncate')) return real.ftruncate(fd, size, done)
  real.ftruncate(fd, half(fd, size), () => done(failure('ftruncate')))
}
fs.fsyncSync = () => {
  throw new Error('the owner must not block its event loop')
}
fs.fsync = (fd, done) => (isDue('fsync') ? setImmediate(done, failure('fsync')) : real.fsync(fd, done))
syncBuiltinESMExports()
`

/** What the programs have in common: a cache with a partition of four blocks, and the error of a call. */
const PROGRAM = `
import { existsSync, statSync } from 'node:fs'
const cache = await openCache({ memory: '64KiB', partitions: { data: { path: 'data', blockSize: 512, size: 2048 } } })
const data = cache.partition('data')
await data.write(Buffer.alloc(2048, 7), 0)
await cache.flush()
const size = () => statSync('data').size
const errorOf = async (call) => call().then(() => 'none', ({ code, cause, message }) => [code, cause?.code, message].join(' '))
const whole = async (blocks) => {
  const target = Buffer.alloc(2048)
  await data.read(target, 0)
  return data.blocks === blocks && size() === blocks * 512 && target.every((byte) => byte === 7) && cache.check().length === 0
}
const say = (...words) => console.log(...words)
`

const full = suite('a disk is full')

full(
  'in the middle of growth: the file and the size are as before, and later the call succeeds',
  async () => {
    using folder = tempFolder()
    const faults = pathToFileURL(folder.write('faults.mjs', FAULTS)).href
    const program = `${PROGRAM}
for (const call of ['ftruncate', 'fsync'])
  for (const grow of [() => data.resize(8), () => data.extend(4)]) {
    fault(call)
    say(await errorOf(grow))
    say(await whole(4), faultsLeft())
    await grow()
    say(await whole(8))
    await data.resize(4)
  }
fault('fsync')
say(await errorOf(() => data.resize(2)))
say(data.blocks, size())
await cache.close()
`
    const { out, err, how } = await runProgram(folder, program, { flags: ['--import', faults] })
    assert.is(how, 0, err)
    const failed = (syscall: string) =>
      `ERR_DCACHE_BAD_FILE ENOSPC partition 'data': data: the disk is full, or a quota is used up (ENOSPC: injected, ${syscall}); free space, then try again`
    const grown = (syscall: string) => [failed(syscall), 'true 0', 'true']
    assert.equal(out.split('\n'), [
      ...grown('ftruncate'),
      ...grown('ftruncate'),
      ...grown('fsync'),
      ...grown('fsync'),
      failed('fsync'),
      '4 2048',
    ])
  },
)

full('when a partition is added: nothing is left of it, and later the call succeeds', async () => {
  using folder = tempFolder()
  const faults = pathToFileURL(folder.write('faults.mjs', FAULTS)).href
  const program = `${PROGRAM}
const add = () => cache.addPartition('more', { path: 'more', blockSize: 512, size: 4096 })
for (const call of ['ftruncate', 'fsync']) {
  fault(call)
  say(await errorOf(add))
  say(existsSync('more'), await errorOf(async () => cache.partition('more')), await whole(4))
}
say((await add()).blocks)
await cache.dropPartition('more')
await cache.close()
`
  const { out, err, how } = await runProgram(folder, program, { flags: ['--import', faults] })
  assert.is(how, 0, err)
  const lines = out.split('\n')
  for (const at of [0, 2]) {
    assert.match(lines[at]!, /^ERR_DCACHE_BAD_FILE ENOSPC partition 'more': more: the disk is full/)
    assert.match(lines[at + 1]!, /^false ERR_DCACHE_UNKNOWN_PARTITION .* true$/)
  }
  assert.is(lines[4], '8')
})

full('for a thread that is not the owner: its error has the cause too', async () => {
  using folder = tempFolder()
  const faults = pathToFileURL(folder.write('faults.mjs', FAULTS)).href
  const program = `
import { Worker, isMainThread, workerData, parentPort } from 'node:worker_threads'
if (isMainThread) {
  const cache = await openCache({ memory: '64KiB', partitions: { data: { path: 'data', blockSize: 512, size: 2048 } } })
  fault('ftruncate')
  const worker = new Worker(new URL(import.meta.url), { workerData: cache.handle })
  worker.on('message', (line) => console.log(line))
  await new Promise((resolve) => worker.once('exit', resolve))
  await cache.close()
} else {
  const cache = attachCache(workerData)
  const error = await cache.partition('data').extend(4).catch((error) => error)
  parentPort.postMessage([error instanceof CacheError, error.code, error.cause.code, error.cause.syscall, cache.partition('data').blocks].join(' '))
  await cache.partition('data').extend(4)
  parentPort.postMessage(cache.partition('data').blocks)
  cache.detach()
}
`
  const { out, err, how } = await runProgram(folder, program, { flags: ['--import', faults] })
  assert.is(how, 0, err)
  assert.equal(out.split('\n'), ['true ERR_DCACHE_BAD_FILE ENOSPC ftruncate 4', '8'])
})

full('or files may not be that large: the error says so', async () => {
  using folder = tempFolder()
  const program = `${PROGRAM}
say(await errorOf(() => data.resize(1_000_000)))
say(await whole(4))
say(await errorOf(() => cache.addPartition('more', { path: 'more', blockSize: 512, size: '64MiB' })))
say(existsSync('more'))
await data.extend(4)
say(await whole(8))
await cache.close()
`
  const { out, err, how } = await runProgram(folder, program, { before: 'ulimit -f 1024' })
  assert.is(how, 0, err)
  const lines = out.split('\n')
  assert.match(lines[0]!, /^ERR_DCACHE_BAD_FILE EFBIG .* may not be that large .*ulimit -f/)
  assert.match(lines[2]!, /^ERR_DCACHE_BAD_FILE EFBIG partition 'more'/)
  assert.equal([lines[1], lines[3], lines[4]], ['true', 'false', 'true'])
})

const others = suite('another program')

others('deletes a file: the partition keeps it until it is dropped', () =>
  withCache({}, async ({ cache, data, paths }) => {
    const path = paths['data']!
    unlinkSync(path)
    const target = bytes(0)
    await data.read(target, 9 * BLOCK)
    assert.equal(target, blockBytes(9, BLOCK))
    await data.write(bytes(7), 9 * BLOCK)
    await cache.flush()
    assert.is(await data.extend(8), 64)
    await data.write(bytes(8), 70 * BLOCK)
    await cache.flush()
    cache.evictClean()
    await data.read(target, 70 * BLOCK)
    assert.equal(target, bytes(8))
    await data.resize(32)
    assert.not(existsSync(path))
    await cache.dropPartition('data')
    const fresh = await cache.addPartition('data', { path, blockSize: BLOCK, size: 8 * BLOCK })
    await fresh.read(target, 0)
    assert.equal(target, bytes(0))
  }),
)

others(
  'truncates a file: reads beyond its end fail, growth is refused, and a restored file is read again',
  () =>
    withCache({ cached: 16 }, async ({ cache, data, paths }) => {
      const path = paths['data']!
      const before = readFileSync(path)
      await data.write(bytes(7), 3 * BLOCK)
      await cache.flush()
      truncateSync(path, 40 * BLOCK)
      cache.evictClean()
      const failed = await refusal('ERR_DCACHE_READ_FAILED', () => data.read(bytes(0), 50 * BLOCK), 50, 'truncated') // prettier-ignore
      assert.is((failed.cause as NodeJS.ErrnoException).code, 'EIO')
      await refusal('ERR_DCACHE_READ_FAILED', () => data.acquire(40, 'read'), 'byte 20480')
      const inOther = await inThread(cache.handle, 0, ({ client }) => {
        try {
          client.partition('data').readSync(new Uint8Array(512), 40 * 512)
          return 'none'
        } catch (error) {
          return (error as { code: string }).code
        }
      })
      assert.is(inOther, 'ERR_DCACHE_READ_FAILED')
      for (const grow of [() => data.resize(80), () => data.extend(1), () => data.resize(41)])
        await refusal('ERR_DCACHE_BAD_FILE', grow, 'byte 20480', 'truncated')
      assert.is(data.blocks, 64)
      assert.is(sizeOf(path), 40 * BLOCK)
      const target = bytes(0)
      await data.read(target, 39 * BLOCK)
      assert.equal(target, blockBytes(39, BLOCK))
      // What is left can be used on.
      await data.resize(40)
      assert.is(await data.extend(24), 40)
      await data.read(target, 50 * BLOCK)
      assert.equal(target, bytes(0))
      await data.write(before.subarray(50 * BLOCK, 51 * BLOCK), 50 * BLOCK)
      await cache.flush()
      assert.equal(
        readFileSync(path).subarray(50 * BLOCK, 51 * BLOCK),
        before.subarray(50 * BLOCK, 51 * BLOCK),
      )
    }),
)

const holes = suite('a file with holes')

holes('is grown, written in its holes and beyond, and shrunk into a hole', () =>
  withCache({ cached: 16 }, async ({ cache, paths }) => {
    const path = join(dirname(paths['data']!), 'sparse')
    const count = 4096
    const sparse = await cache.addPartition('sparse', { path, blockSize: BLOCK, size: count * BLOCK })
    const isSparse = () => statSync(path).blocks * 512 < sizeOf(path) / 2
    const at = async (block: number) => {
      const target = bytes(1)
      await sparse.read(target, block * BLOCK)
      assert.ok(
        target.every((byte) => byte === target[0]),
        `block ${block}`,
      )
      return target[0]
    }
    assert.is(await at(count - 1), 0)
    await sparse.write(bytes(7), 2000 * BLOCK)
    await sparse.resize(2 * count)
    await sparse.write(bytes(8), (2 * count - 1) * BLOCK)
    await cache.flush()
    cache.evictClean()
    assert.equal([await at(2000), await at(3000), await at(count), await at(2 * count - 1)], [7, 0, 0, 8])
    assert.is(sizeOf(path), 2 * count * BLOCK)
    // Into the hole between the two blocks that were written; what was beyond is zeros after the next growth.
    await sparse.resize(3000)
    assert.is(sizeOf(path), 3000 * BLOCK)
    await sparse.resize(2 * count)
    assert.equal([await at(2000), await at(2999), await at(2 * count - 1)], [7, 0, 0])
    assert.ok(isSparse())
    await cache.dropPartition('sparse')
  }),
)

full.run()
others.run()
holes.run()
