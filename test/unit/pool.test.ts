// The pool of frames: how the memory is divided, how many blocks may be dirty, and partitions of different block sizes
// in one pool. The file follows the ancestor's `initdcache` and `Part`.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache } from 'dcache'
import { blockBytes, copyOf, memoryFor, refusal, until, withCache, writeBlocks } from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { Group } from '#dist/shared/words.js'

const memory = suite('memory: one pool, at least 2 blocks, at most 2/3 of them dirty')

memory('it is divided into blocks and a reserve of spares', () =>
  withCache({ memory: 256 * 512 }, ({ cache }) => {
    const { size, spares, blocks } = cache.stats()
    assert.is(size + spares.total, 256)
    assert.is(spares.total, 4, 'one in 64')
    assert.equal(blocks, { free: size, clean: 0, dirty: 0, absent: 0, held: 0 })
  }),
)

memory('its size may have a unit', () =>
  withCache({ memory: '1MiB' }, ({ cache }) => {
    const { size, spares } = cache.stats()
    assert.is(size + spares.total, 2048)
  }),
)

memory('2 blocks, the minimum, are enough', () =>
  withCache({ memory: 4 * 512 }, async ({ cache, data }) => {
    assert.is(cache.stats().size, 2)
    for (let i = 0; i < 20; i++) {
      using guard = await data.acquire(i % 5, 'read')
      assert.equal(copyOf(guard.data), blockBytes(i % 5))
    }
    using first = await data.acquire(10, 'read')
    using second = await data.acquire(11, 'read')
    assert.equal(copyOf(first.data), blockBytes(10))
    assert.equal(copyOf(second.data), blockBytes(11))
  }),
)

memory('less is refused, and the error names the minimum', async () => {
  using folder = tempFolder()
  const path = folder.write('data', 'x'.repeat(512))
  const partitions = { data: { path, blockSize: 512 } }
  await refusal('ERR_DCACHE_MEMORY', () => openCache({ memory: 4 * 512 - 1, partitions }), 2047, 2048)
})

memory('up to 2/3 of the blocks may be dirty', () =>
  withCache({ cached: 15, flushDelayMs: 1e9 }, async ({ cache, data, arena }) => {
    assert.is(arena.words[arena.groupAt(0) + Group.dirtyMax], 10)
    for (let block = 0; block < 9; block++) await data.write(new Uint8Array(512), block * 512)
    await until('the releases to be processed', () => cache.stats().dirty === 9)
    assert.is(cache.stats().rounds, 0, 'no round starts below the limit')
    await data.write(new Uint8Array(512), 9 * 512)
    // The last block becomes clean before its round ends and is counted.
    await until('the round at the limit', () => cache.stats().rounds > 0 && cache.stats().dirty === 0)
  }),
)

memory.run()

const sizes = suite('partitions: each has its block size, and frames fit the largest')

sizes('frames are as large as the largest block', () =>
  withCache(
    {
      cached: 8,
      partitions: { small: {}, large: { blockSize: 4096 }, middle: { blockSize: 1024 } },
    },
    async ({ cache, arena }) => {
      assert.is(arena.geometry.frameSize, 4096)
      // More blocks than frames, so that each frame holds blocks of every size in turn.
      for (let round = 0; round < 4; round++) {
        for (let block = 0; block < 6; block++) {
          for (const [file, name] of ['small', 'large', 'middle'].entries()) {
            const partition = cache.partition(name)
            using guard = await partition.acquire(block + 6 * round, 'read')
            assert.is(guard.data.length, partition.blockSize)
            assert.equal(copyOf(guard.data), blockBytes(block + 6 * round, partition.blockSize, file))
          }
        }
      }
    },
  ),
)

sizes('the same block number in two partitions names two blocks', () =>
  withCache({ partitions: { a: {}, b: {} } }, async ({ cache, onDisk }) => {
    await cache.partition('a').write(new Uint8Array(512).fill(1), 512)
    await cache.partition('b').write(new Uint8Array(512).fill(2), 512)
    await cache.flush()
    assert.equal(onDisk(1, 'a'), new Uint8Array(512).fill(1))
    assert.equal(onDisk(1, 'b'), new Uint8Array(512).fill(2))
  }),
)

for (const blockSize of [512, 65536]) {
  sizes(`blocks of ${blockSize} bytes are read and written whole`, () =>
    withCache(
      { cached: 4, partitions: { data: { blockSize, blocks: 9 } } },
      async ({ cache, data, onDisk }) => {
        for (let block = 0; block < 9; block++) {
          using guard = await data.acquire(block, 'modify')
          assert.equal(copyOf(guard.data), blockBytes(block, blockSize))
          guard.data.fill(200 + block)
          guard.markDirty()
        }
        await cache.flush()
        for (let block = 0; block < 9; block++) {
          assert.equal(onDisk(block), new Uint8Array(blockSize).fill(200 + block))
        }
      },
    ),
  )
}

sizes('a partition is the part of its file from the offset on', async () => {
  using folder = tempFolder()
  const path = `${folder.path}/data`
  writeBlocks(path, 10)
  const partitions = { data: { path, blockSize: 512, offset: 1024 } }
  await using cache = await openCache({ memory: memoryFor(4), partitions })
  const data = cache.partition('data')
  assert.is(data.blocks, 8)
  {
    using guard = await data.acquire(0, 'read')
    assert.equal(copyOf(guard.data), blockBytes(2))
  }
  assert.equal(cache.check(), [])
})

sizes.run()
