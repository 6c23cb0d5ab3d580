// The shared buffer and where the memory map begins in it. The buffer is page-aligned where the system can do that, and
// plain otherwise; each thread tells the two apart by the length alone.

import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache } from 'dcache'
import { Arena } from '#dist/shared/arena.js'
import { randomNumbers } from '../support/async-load.js'
import { baseOf, isBufferFor, newMemory } from '#dist/shared/buffer.js'
import { geometryOf, parseOptions } from '#dist/shared/config.js'
import { type Geometry, layoutOf } from '#dist/shared/layout.js'
import { memoryCopyOf } from '#dist/shared/memory-copy.js'
import { canRun, works } from '../support/left-out.js'
import { copyOf, inThread, refusal } from '../support/open.js'
import { packageUrl, runProgram } from '../support/program.js'
import { tempFolder } from '../support/temp.js'
import { onlyNormal } from '../support/size.js'

/** An arena in a plain buffer. */
function withoutMemory(geometry: Geometry): Arena {
  using _without = withoutWebAssembly()
  return Arena.create(geometry, 1, 2)
}

/** Removes WebAssembly until the end of the scope, as --jitless does. */
function withoutWebAssembly(): Disposable {
  const all = globalThis as unknown as { WebAssembly: unknown }
  const before = all.WebAssembly
  all.WebAssembly = undefined
  return { [Symbol.dispose]: () => (all.WebAssembly = before) }
}

test('the length of a buffer says where its map begins, for maps of any length', () => {
  for (let i = 0; i < 2000; i++) {
    const blockSize = 512 << (i % 8)
    const { totalBytes } = layoutOf(
      geometryOf(
        parseOptions({
          memory: blockSize * (8 + 31 * i),
          partitions: { a: { path: 'a', blockSize: 512 }, b: { path: 'b', blockSize, group: 'b' } },
          threads: 1 + (i % 200),
          policy: (['lru2', 'adaptive'] as const)[i % 2]!,
          traceEntries: i % 3 === 0 ? 0 : 2 ** (i % 12),
        }),
      ),
    )
    assert.is(totalBytes % 512, 0)
    const [aligned, plain] = [Math.ceil(totalBytes / 65536) * 65536, totalBytes + 48]
    assert.equal([baseOf(aligned), baseOf(plain)], [0, 48])
    assert.equal([isBufferFor(aligned, totalBytes), isBufferFor(plain, totalBytes)], [true, true])
    for (const other of [aligned + 65536, plain + 1, totalBytes + 65536 + 48])
      assert.not(isBufferFor(other, totalBytes))
  }
  // Above 4 GiB the buffer is always plain.
  assert.not(isBufferFor(2 ** 32 + 65536, 2 ** 32 + 65536))
  assert.ok(isBufferFor(2 ** 32 + 65536 + 48, 2 ** 32 + 65536))
})

test('the buffer is page-aligned, and plain without WebAssembly', () => {
  assert.is(newMemory(1000 * 512, false).buffer.byteLength, 8 * 65536)
  using _without = withoutWebAssembly()
  assert.is(newMemory(1000 * 512, false).buffer.byteLength, 1000 * 512 + 48)
  assert.throws(() => newMemory(1000 * 512, true), /page-aligned.*without direct/)
})

onlyNormal(
  test,
  'a cache in a plain buffer works with every slot named and several threads that change blocks',
  async () => {
    using folder = tempFolder()
    const partitions = { data: { path: join(folder.path, 'data'), blockSize: 4096, size: '256KiB' } }
    const opening = () => openCache({ memory: '128KiB', partitions, threads: 4 })
    const cache = await (async () => {
      using _without = withoutWebAssembly()
      await refusal('ERR_DCACHE_MEMORY', () => openCache({ memory: '128KiB', partitions: { data: { ...partitions.data, direct: true } } }), 'direct') // prettier-ignore
      return await opening()
    })()
    assert.ok(cache.handle.buffer.byteLength % 512 === 48)
    const program = `
    import { parentPort, workerData } from 'node:worker_threads'
    import { attachCache } from ${JSON.stringify(packageUrl)}
    const { handle, name } = workerData
    const data = attachCache(handle, { name }).partition('data')
    for (let i = 0; i < 500; i++) {
      const guard = data.acquireSync(i % 50, 'modify')
      guard.data[0]++
      guard.markDirty()
      guard.release()
    }
    data.acquireSync(60 + Number(name.slice(-1)), 'read')
    parentPort.postMessage('done')
    setInterval(() => {}, 1000)`
    const names = [0, 1, 2, 3].map((i) => 'x'.repeat(63) + String(i))
    const workers = names.map(
      (name) =>
        new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), {
          workerData: { handle: cache.handle, name },
        }),
    )
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    const holders = cache.holders().filter(({ what, name }) => what === 'holds' && name.startsWith('x'))
    assert.equal(holders.map(({ name }) => name).sort(), names)
    await Promise.all(workers.map((worker) => worker.terminate()))
    await cache.flush()
    const sum = await inThread(cache.handle, undefined, ({ client }) => {
      const byte = new Uint8Array(1)
      let total = 0
      for (let block = 0; block < 64; block++) {
        client.partition('data').readSync(byte, block * 4096)
        total += byte[0]!
      }
      return total
    })
    assert.is(sum, 4 * 500)
    assert.equal(cache.check(), [])
    await cache.close()
  },
)

const USE = `
  const open = (more) =>
    openCache({ memory: '16MiB', partitions: { data: { path: 'data', blockSize: 4096, size: '1MiB', ...more } } })
  const refused = await open({ direct: true }).then((cache) => cache.close(), (error) => error)
  const cache = await open()
  await cache.partition('data').write(Buffer.from('hello'), 0)
  await cache.flush()
  console.log(refused?.code, cache.handle.buffer.byteLength % 512, JSON.stringify(cache.check()))
  await cache.close()`

test('a process with little address space gets ERR_DCACHE_MEMORY', async () => {
  using folder = tempFolder()
  const before = 'ulimit -v 8000000'
  const isHere = works('sh', '-c', `${before}; exec '${process.execPath}' -e 0`)
  if (!canRun('a limit of address space', { 'ulimit -v': isHere })) return
  const { out, err } = await runProgram(folder, USE, { before })
  // Later versions of V8 reserve less address space for a WebAssembly.Memory.
  assert.match(out, /^(ERR_DCACHE_MEMORY 48|undefined 0) \[\]$/, err)
})

test('a cache works with --jitless', async () => {
  using folder = tempFolder()
  const { out, err } = await runProgram(folder, USE, { flags: ['--jitless'] })
  // Later versions of V8 have WebAssembly with --jitless too.
  assert.match(out, /^(ERR_DCACHE_MEMORY 48|undefined 0) \[\]$/, err)
})

test('frames are copied the same way with memory.copy and without it, at any address and length', () => {
  const geometry = geometryOf(
    parseOptions({ memory: 40 * 4096, partitions: { a: { path: 'a', blockSize: 4096 } }, threads: 2 }),
  )
  const random = randomNumbers(57)
  const made = Arena.create(geometry, 1, 2)
  const frames = geometry.blocks + geometry.spares
  const plain = withoutMemory(geometry)
  for (const arena of [made, Arena.open({ buffer: made.buffer }, 1, 2), plain]) {
    const whole = (frame: number) =>
      arena.segment(frame).subarray(arena.offset(frame), arena.offset(frame) + 4096)
    for (let turn = 0; turn < 2000; turn++) {
      const [from, to] = [random(frames), random(frames)]
      const start = random(4096)
      const length = random(4097 - start)
      whole(from).fill(turn)
      whole(to).fill(turn + 1)
      arena.copy(from, to, start, length)
      const isIn = (i: number) => i >= start && i < start + length
      const expected = Uint8Array.from({ length: 4096 }, (_, i) =>
        from === to || !isIn(i) ? turn + 1 : turn,
      )
      assert.equal(copyOf(whole(to)), expected)
    }
  }
})

test('memory.copy reaches all of a memory of 3 GiB', () => {
  const pages = 3 * 2 ** 14
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  const end = new Uint8Array(memory.buffer, pages * 65536 - 8192, 8192)
  end.subarray(0, 4096).fill(57)
  memoryCopyOf(memory)(pages * 65536 - 4096, pages * 65536 - 8192, 4096)
  assert.ok(end.every((byte) => byte === 57))
  assert.throws(() => memoryCopyOf(memory)(pages * 65536 - 4095, 0, 4096), /out of bounds/)
})

test.run()
