// Block numbers and byte ranges: reads and writes that start and end anywhere, and the addresses that are refused.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { blockBytes, refusal, refusalNow, settled, withCache } from '../support/open.js'

const full = (byte: number, length = 512) => new Uint8Array(length).fill(byte)

const bytes = suite('byte ranges')

bytes('may start and end anywhere and span blocks, in asynchronous and Sync calls', () =>
  withCache({ cached: 64 }, async ({ cache, data, onDisk }) => {
    const model = new Uint8Array(64 * 512)
    for (let block = 0; block < 64; block++) model.set(blockBytes(block), block * 512)
    const all = new Uint8Array(model.length)
    await data.read(all, 0)
    assert.equal(all, model)
    for (const [position, length] of [
      [0, 512],
      [511, 2],
      [100, 2000],
      [512, 1024],
      [1000, 0],
      [64 * 512 - 700, 700],
      [64 * 512, 0],
    ] as const) {
      const source = full(position + length, length)
      await data.write(source, position)
      model.set(source, position)
      const target = new Uint8Array(length)
      await settled(cache)
      data.readSync(target, position)
      assert.equal(target, source)
      source.fill(77)
      data.writeSync(source, position)
      model.set(source, position)
    }
    await cache.flush()
    for (let block = 0; block < 64; block++)
      assert.equal(onDisk(block), model.slice(block * 512, block * 512 + 512))
  }),
)

bytes('writing a whole block reads nothing from the disk, writing a part does', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data }) => {
    await data.write(full(1, 1536), 512)
    assert.is(cache.stats().diskReads, 0)
    await data.write(full(1, 1024), 5 * 512 + 256)
    assert.is(cache.stats().diskReads, 2)
  }),
)

bytes('are copied to and from parts of a Buffer', () =>
  withCache({}, async ({ data }) => {
    const source = Buffer.from('0123456789')
    await data.write(source.subarray(2, 5), 510)
    const target = Buffer.alloc(7, '.')
    await data.read(target.subarray(2, 5), 510)
    assert.is(target.toString(), '..234..')
  }),
)

bytes.run()

const addressing = suite('addresses')

addressing('a block number must be whole and in range, so no two blocks overlap', () =>
  withCache({ partitions: { data: { blockSize: 1024, blocks: 8 } } }, async ({ data }) => {
    for (const block of [0.5, 1.25, 7.5, 8, 1024, -0.5]) {
      refusalNow('ERR_DCACHE_OUT_OF_RANGE', () => data.tryAcquire(block, 'read'), block)
      await refusal('ERR_DCACHE_OUT_OF_RANGE', () => data.acquire(block, 'modify'), block)
    }
  }),
)

addressing('byte ranges that overlap are coherent', () =>
  withCache({ partitions: { data: { blocks: 8 } } }, async ({ cache, data, onDisk }) => {
    const model = new Uint8Array(4096)
    await data.write(model, 0)
    for (let i = 0; i < 300; i++) {
      const position = (i * 977) % 4000
      const bytes = new Uint8Array(1 + ((i * 131) % 95)).fill(i)
      await data.write(bytes, position)
      model.set(bytes, position)
      const start = (i * 613) % 3000
      const seen = new Uint8Array(900)
      await data.read(seen, start)
      assert.equal(seen, model.slice(start, start + 900))
    }
    await cache.flush()
    for (let block = 0; block < 8; block++)
      assert.equal(onDisk(block), model.slice(block * 512, block * 512 + 512))
  }),
)

addressing('a device offset that is not aligned to blocks is refused', async () => {
  const { openCache } = await import('dcache')
  await refusal(
    'ERR_DCACHE_BAD_OPTION',
    () =>
      openCache({
        memory: '64KiB',
        partitions: { data: { path: '/dev/null', blockSize: 1024, offset: 512 } },
      }),
    512,
    1024,
  )
})

addressing.run()
