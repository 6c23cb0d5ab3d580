// `poolMap`: its counts against `stats`, runs of equal length, samples of large pools, and what is used again.

import type { PoolCell, PoolMap } from 'dcache'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { refusalNow, settled, withCache } from '../support/open.js'

const map = suite('a map of the pool')

type Count = Exclude<keyof PoolCell, 'partition'>
const sum = ({ cells }: PoolMap, what: Count): number => cells.reduce((total, cell) => total + cell[what], 0)

map('counts as stats does, cell by cell', () =>
  withCache(
    { cached: 100, partitions: { a: { blocks: 200 }, b: { blocks: 200 } }, flushDelayMs: 1e9 },
    async ({ cache, data }) => {
      const [frames, b] = [cache.stats().size, cache.partition('b')]
      assert.equal([sum(cache.poolMap(), 'free'), sum(cache.poolMap(), 'hot')], [frames, 0])
      for (let block = 0; block < 40; block++) (await data.acquire(block, 'read')).release()
      for (let block = 0; block < 20; block++) (await b.acquire(block, 'read')).release()
      for (let block = 0; block < 10; block++) await data.write(new Uint8Array(512), block * 512)
      await settled(cache)
      const guards = [await data.acquire(1, 'read'), await b.acquire(1, 'modify')]
      const found = cache.poolMap({ cells: 16 })
      const { blocks } = cache.stats()
      assert.is(found.frames, frames)
      assert.is(found.looked, frames)
      for (const what of ['free', 'clean', 'dirty', 'absent', 'held'] as const)
        assert.is(sum(found, what), blocks[what], what)
      assert.is(sum(found, 'frames'), frames)
      for (const cell of found.cells) {
        const { free, clean, dirty, absent, lent, looked, hot, held } = cell
        assert.is(free + clean + dirty + absent + lent, looked)
        assert.ok(hot <= looked && held <= looked)
        assert.ok(Math.abs(cell.frames - frames / 16) < 1)
      }
      const { partitions } = cache.stats()
      const numbers = new Set(found.cells.map(({ partition }) => partition))
      assert.equal([...numbers].sort(), [-1, partitions['a']!.index, partitions['b']!.index].sort())
      for (const guard of guards) guard.release()
    },
  ),
)

map('has a cell for each frame of a small pool', () =>
  withCache({ cached: 10 }, async ({ cache, data }) => {
    ;(await data.acquire(0, 'read')).release()
    const { cells, frames } = cache.poolMap({ cells: 4096 })
    assert.is(cells.length, frames)
    assert.is(cells.filter(({ clean }) => clean === 1).length, 1)
  }),
)

for (const policy of ['lru2', 'adaptive'] as const)
  map(`${policy}: blocks that are used again are hot, those of a scan are not`, () =>
    withCache({ cached: 64, policy, partitions: { data: { blocks: 2000 } } }, async ({ cache, data }) => {
      for (let block = 0; block < 2000; block++) {
        ;(await data.acquire(block, 'read')).release()
        if (block % 4 === 0) (await data.acquire(0, 'read')).release()
      }
      const isHot = () => {
        const { cells } = cache.poolMap({ cells: 4096 })
        return cells.filter(({ hot }) => hot === 1).length
      }
      assert.is(isHot(), 1, 'only block 0')
    }),
  )

map('looks at no more than 131,072 frames, and at the same number in each cell', () =>
  withCache({ memory: 300_000 * 512, partitions: { data: { blocks: 64 } } }, async ({ cache, data }) => {
    for (let block = 0; block < 64; block++) (await data.acquire(block, 'read')).release()
    for (const cells of [16, 1000, 4096]) {
      const found = cache.poolMap({ cells })
      assert.is(found.frames, cache.stats().size)
      assert.ok(found.frames > 250_000)
      assert.ok(found.looked <= 131_072 && found.looked > 120_000, String(found.looked))
      assert.is(new Set(found.cells.map(({ looked }) => looked)).size, 1)
      assert.is(sum(found, 'frames'), found.frames)
      assert.is(sum(found, 'looked'), found.looked)
    }
  }),
)

map('other numbers of cells are refused', () =>
  withCache({}, ({ cache }) => {
    for (const cells of [0, 15, 4097, 16.5, NaN, Infinity, '16', null, -16] as number[])
      refusalNow('ERR_DCACHE_BAD_OPTION', () => cache.poolMap({ cells }), 'from 16 to 4096')
    for (const options of [null, 5] as unknown as { cells: number }[])
      refusalNow('ERR_DCACHE_BAD_OPTION', () => cache.poolMap(options), 'options')
    assert.equal(cache.poolMap({}), cache.poolMap())
  }),
)

map.run()
