// Warm restart: `close` writes which blocks are cached, and the next cache reads them back.

import { readFileSync, truncateSync, writeFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache, type BlockCache, type CacheOptions } from 'dcache'
import { assertSound, refusal, until, untilQuiet, writeBlocks } from '../support/open.js'
import { memoryFor } from '../support/memory-size.js'
import { tempFolder } from '../support/temp.js'

const BLOCKS = 400

interface Place {
  readonly folder: string
  readonly list: string
  readonly open: (options?: Partial<CacheOptions>) => Promise<BlockCache>
}

async function inPlace(body: (place: Place) => Promise<void>): Promise<void> {
  using temp = tempFolder()
  const folder = temp.path
  const list = join(folder, 'warm')
  for (const name of ['a', 'b']) writeBlocks(join(folder, name), BLOCKS)
  const partitions = Object.fromEntries(
    ['a', 'b'].map((name) => [name, { path: join(folder, name), blockSize: 512 }]),
  )
  const memory = memoryFor(200, [{ blockSize: 512 }])
  await body({
    folder,
    list,
    open: (options = {}) => openCache({ memory, partitions, readAheadBytes: 0, warm: list, ...options }),
  })
}

const touch = async (cache: BlockCache, name: string, blocks: Iterable<number>): Promise<void> => {
  const partition = cache.partition(name)
  for (const block of blocks) (await partition.acquire(block, 'read')).release()
}

const range = (first: number, end: number, step = 1): number[] =>
  Array.from({ length: Math.ceil((end - first) / step) }, (_, i) => first + i * step)

/** The process warnings of this kind while `body` runs. */
async function warningsOf(body: () => Promise<void>): Promise<string[]> {
  const texts: string[] = []
  const listen = (warning: Error & { code?: string }) => {
    if (warning.code === 'DCACHE_WARM_LIST') texts.push(warning.message)
  }
  process.on('warning', listen)
  await body()
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('warning', listen)
  return texts
}

const warm = suite('warm restart')

for (const policy of ['lru2', 'adaptive'] as const)
  warm(`${policy}: the blocks that were cached are cached again`, () =>
    inPlace(async ({ open }) => {
      const first = await open({ policy })
      assert.is(first.stats().prefetch.loaded, 0, 'without a list it begins cold')
      await touch(first, 'a', range(0, 300, 3))
      await touch(first, 'b', range(5, 80))
      await first.close()
      const second = await open({ policy })
      await until('the blocks', () => second.stats().prefetch.loaded === 175)
      await touch(second, 'a', range(0, 300, 3))
      await touch(second, 'b', range(5, 80))
      assert.is(second.stats().misses, 0)
      await untilQuiet(second)
      assertSound(second)
      await second.close()
    }),
  )

for (const policy of ['lru2', 'adaptive'] as const)
  warm(`${policy}: a smaller cache gets those that are most worth it`, () =>
    inPlace(async ({ open }) => {
      const first = await open({ policy })
      await touch(first, 'a', range(0, 40))
      await touch(first, 'b', range(0, 300)) // evicts those above
      for (let i = 0; i < 3; i++) await touch(first, 'a', range(0, 40))
      await touch(first, 'b', range(300, 380))
      await first.close()
      const second = await open({ policy, memory: memoryFor(60, [{ blockSize: 512 }]) })
      await until('the blocks', () => second.stats().prefetch.loaded >= 50)
      await touch(second, 'a', range(0, 40))
      assert.ok(second.stats().misses <= 10, `${second.stats().misses} misses`)
      await second.close()
    }),
  )

warm('what the file has by then is read, and what is gone is left out', () =>
  inPlace(async ({ folder, open }) => {
    const first = await open()
    await touch(first, 'a', range(0, 50))
    await touch(first, 'b', range(0, 50))
    await first.close()
    writeFileSync(join(folder, 'a'), new Uint8Array(BLOCKS * 512).fill(9))
    truncateSync(join(folder, 'b'), 10 * 512)
    const texts = await warningsOf(async () => {
      const second = await open()
      await until('the blocks', () => second.stats().prefetch.loaded === 60)
      const target = new Uint8Array(512)
      await second.partition('a').read(target, 512)
      assert.is(target[100], 9)
      await untilQuiet(second)
      assertSound(second)
      await second.close()
    })
    assert.equal(texts, [])
    // Another block size, and another name.
    const partitions = {
      a: { path: join(folder, 'a'), blockSize: 1024 },
      c: { path: join(folder, 'b'), blockSize: 512 },
    }
    const third = await open({ partitions, memory: '1MiB' })
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.is(third.stats().prefetch.loaded, 0)
    await third.close()
  }),
)

warm('a damaged list is a warning, and the cache works', () =>
  inPlace(async ({ list, folder, open }) => {
    const first = await open()
    await touch(first, 'a', range(0, 50))
    await first.close()
    const whole = readFileSync(list)
    const flipped = Buffer.from(whole)
    flipped[flipped.length - 5]! ^= 1
    for (const bytes of [
      '',
      'nonsense',
      '{}\n',
      whole.subarray(0, whole.length - 1),
      flipped,
      whole.subarray(50),
    ]) {
      writeFileSync(list, bytes)
      const texts = await warningsOf(async () => {
        const cache = await open()
        await touch(cache, 'a', [1])
        await cache.close({ warm: join(folder, 'elsewhere') })
      })
      assert.is(texts.length, 1)
      assert.match(texts[0]!, `${list} is ignored`)
    }
  }),
)

warm('a list that cannot be written is a warning, and nothing is left of it', () =>
  inPlace(async ({ folder, open }) => {
    mkdirSync(join(folder, 'taken'))
    const texts = await warningsOf(async () => {
      const cache = await open({})
      await touch(cache, 'a', range(0, 50))
      await cache.close({ warm: join(folder, 'taken') })
    })
    assert.is(texts.length, 1)
    assert.match(texts[0]!, 'was not written')
    assert.equal(readdirSync(folder).sort(), ['a', 'b', 'taken'])
    const cache = await open()
    await refusal('ERR_DCACHE_BAD_OPTION', () => cache.close({ warm: '' }), "warm is ''")
    await cache.close()
  }),
)

warm('it is no faster than its limit', () =>
  inPlace(async ({ open }) => {
    const first = await open()
    await touch(first, 'a', range(0, 200, 2))
    await first.close()
    const second = await open({ warmBytesPerSecond: 1 })
    await until('the first block', () => second.stats().prefetch.loaded > 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.is(second.stats().prefetch.loaded, 1, 'each run is one block')
    await second.close()
  }),
)

warm('it evicts nothing', () =>
  inPlace(async ({ open }) => {
    const first = await open()
    await touch(first, 'a', range(0, 199))
    await first.close()
    // So slow that a second step would begin after the test: the first and the blocks that are used have room together.
    const second = await open({ warmBytesPerSecond: 100 })
    await touch(second, 'b', range(0, 150))
    await until('the first step', () => second.stats().prefetch.loaded === 50)
    await untilQuiet(second) // the reader counts blocks before it releases them
    await touch(second, 'b', range(0, 150))
    assert.equal([second.stats().partitions['b']!.misses, second.stats().evictions], [150, 0])
    assertSound(second)
    await second.close()
  }),
)

warm.run()
