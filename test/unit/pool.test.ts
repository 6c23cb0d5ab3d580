// What the ancestor's initdcache and Part do, and where dcache has it: how the memory is divided, the limit of dirty
// blocks, block sizes, and the directory. Each suite is a row of the table of what has to be there.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache } from 'dcache'
import { keyHighOf } from '#dist/shared/key.js'
import { hashOf } from '#dist/shared/hash.js'
import { blockBytes, copyOf, memoryFor, refusal, until, withCache, writeBlocks } from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { Frame, Group } from '#dist/shared/words.js'

const memory = suite('initdcache: one pool, at least 2 blocks, 2/3 of them dirty at most')

memory('divides the memory into blocks and a reserve of spares', () =>
  withCache({ memory: 64 * 512 }, ({ cache }) => {
    const { size, spares, blocks } = cache.stats()
    assert.is(size + spares.total, 64)
    assert.is(spares.total, 4, 'one in 16')
    assert.equal(blocks, { free: size, clean: 0, dirty: 0, absent: 0, held: 0 })
  }),
)

memory('takes a size with a unit', () =>
  withCache({ memory: '1MiB' }, ({ cache }) => {
    const { size, spares } = cache.stats()
    assert.is(size + spares.total, 2048)
  }),
)

memory('works with 2 blocks, the least there is', () =>
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

memory('refuses fewer, with the least that works', async () => {
  using folder = tempFolder()
  const path = folder.write('data', 'x'.repeat(512))
  const partitions = { data: { path, blockSize: 512 } }
  await refusal('ERR_DCACHE_MEMORY', () => openCache({ memory: 4 * 512 - 1, partitions }), 2047, 2048)
})

memory('lets 2/3 of the blocks be dirty', () =>
  withCache({ cached: 15, flushDelayMs: 1e9 }, async ({ cache, data, arena }) => {
    assert.is(arena.words[arena.groupAt(0) + Group.dirtyMax], 10)
    for (let block = 0; block < 9; block++) await data.write(new Uint8Array(512), block * 512)
    await until('what was released', () => cache.stats().dirty === 9)
    assert.is(cache.stats().rounds, 0, 'nothing starts a round below the limit')
    await data.write(new Uint8Array(512), 9 * 512)
    // The last block is clean before its round has ended and is counted.
    await until('the round at the limit', () => cache.stats().rounds > 0 && cache.stats().dirty === 0)
  }),
)

memory.run()

const sizes = suite('Part: one block size each, frames as large as the largest')

sizes('frames are as large as the largest block', () =>
  withCache(
    {
      cached: 8,
      partitions: { small: {}, large: { blockSize: 4096 }, middle: { blockSize: 1024 } },
    },
    async ({ cache, arena }) => {
      assert.is(arena.geometry.frameSize, 4096)
      // More blocks than frames, so that each frame holds blocks of every size in its turn.
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

sizes('the same block number in two partitions is two blocks', () =>
  withCache({ partitions: { a: {}, b: {} } }, async ({ cache, onDisk }) => {
    await cache.partition('a').write(new Uint8Array(512).fill(1), 512)
    await cache.partition('b').write(new Uint8Array(512).fill(2), 512)
    await cache.flush()
    assert.equal(onDisk(1, 'a'), new Uint8Array(512).fill(1))
    assert.equal(onDisk(1, 'b'), new Uint8Array(512).fill(2))
  }),
)

for (const blockSize of [512, 65536]) {
  sizes(`blocks of ${blockSize} bytes`, () =>
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

sizes('a partition is what its file holds, from its offset on', async () => {
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

const directory = suite('pbhash, heads: the directory')

directory('has at least as many buckets as blocks', () =>
  withCache({ cached: 100 }, ({ arena }) => {
    assert.ok(arena.geometry.buckets >= arena.geometry.blocks)
  }),
)

directory('finds every one of many blocks, and reads each once', () =>
  withCache({ cached: 2000, partitions: { data: { blocks: 2000 } } }, async ({ cache, data }) => {
    for (let pass = 0; pass < 2; pass++) {
      for (let i = 0; i < 2000; i++) {
        const block = (i * 1237) % 2000
        using guard = await data.acquire(block, 'read')
        assert.equal(new DataView(copyOf(guard.data).buffer).getUint32(0), block)
      }
    }
    const { diskReads, hits, misses } = cache.stats()
    assert.equal({ diskReads, hits, misses }, { diskReads: 2000, hits: 2000, misses: 2000 })
  }),
)

directory('blocks of one chain are told apart, also while the chain changes', () =>
  withCache({ cached: 16, partitions: { data: { blocks: 4096 } } }, async ({ cache, data, arena }) => {
    // As many blocks as possible that hash to one head: one chain holds the whole cache.
    const { buckets } = arena.geometry
    const chain = Array.from({ length: 4096 }, (_, block) => block).filter(
      (block) => hashOf(buckets, keyHighOf(0, block), block) === 0,
    )
    assert.ok(chain.length > 100, `${chain.length} blocks in the chain`)
    for (let i = 0; i < 1000; i++) {
      const block = chain[(i * 31 + (i % 7)) % chain.length]!
      using guard = await data.acquire(block, 'read')
      assert.equal(copyOf(guard.data), blockBytes(block))
    }
    assert.equal(cache.check(), [])
    let length = 0
    for (let link = arena.words[arena.bucketsAt]!; link !== 0; length++) {
      link = arena.words[arena.frameAt(link - 1) + Frame.next]!
    }
    assert.is(length, 16)
  }),
)

directory.run()
