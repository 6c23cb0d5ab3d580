// Direct I/O: what is written past the page cache is there, and where it can't be had it is refused by name.

import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError, openCache, type PartitionOptions } from 'dcache'
import { canRun } from '../support/left-out.js'
import { inThread } from '../support/open.js'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'

/** A folder beside the repository's build: a temporary one may be in memory. */
function diskFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(projectRoot, 'build', 'direct-'))
  return {
    path,
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true })
    },
  }
}

function hasDirect(): boolean {
  using folder = diskFolder()
  try {
    closeSync(openSync(join(folder.path, 'file'), constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT))
    return true
  } catch {
    return false
  }
}

const isHere = canRun('direct I/O', { 'O_DIRECT on the file system of the repository': hasDirect() })

const refused = async (partition: PartitionOptions, memory = '1MiB'): Promise<CacheError> => {
  try {
    await (await openCache({ memory, partitions: { data: partition } })).close()
  } catch (error) {
    assert.instance(error, CacheError)
    return error as CacheError
  }
  throw new Error('it was opened')
}

if (isHere) {
  for (const blockSize of [4096, 65536]) {
    test(`blocks of ${blockSize} bytes are read and written directly`, async () => {
      using folder = diskFolder()
      const path = join(folder.path, 'data')
      const blocks = 40
      const size = blocks * blockSize
      const cache = await openCache({
        memory: 16 * blockSize,
        partitions: {
          data: { path, blockSize, size, direct: true },
          // The same file, further on.
          more: { path, blockSize, offset: size, size, direct: true },
        },
      })
      try {
        // More than the cache holds: blocks are evicted and read again.
        for (const name of ['data', 'more']) {
          await inThread(cache.handle, { name, blocks }, ({ client, args }) => {
            const partition = client.partition(args.name)
            for (let block = 0; block < args.blocks; block++) {
              const guard = partition.acquireSync(block, block % 2 === 0 ? 'modify' : 'overwrite')
              guard.data.fill(block + 1)
              guard.markDirty()
              guard.release()
            }
            for (let block = 0; block < args.blocks; block++) {
              const guard = partition.acquireSync(block, 'read')
              if (guard.data[100] !== block + 1) throw new Error(`block ${block}: ${guard.data[100]}`)
              guard.release()
            }
          })
        }
        await cache.flush()
        // A round that writes a block of which a declared range is being changed puts its image together.
        const data = cache.partition('data')
        await data.write(new Uint8Array(blockSize).fill(200), 3 * blockSize)
        const guard = await data.acquire(3, 'modify', { start: 10, length: 10 })
        guard.data.fill(99, 10, 20)
        await cache.flush()
        assert.equal(readFileSync(path).subarray(3 * blockSize, 4 * blockSize), Buffer.alloc(blockSize, 200))
        guard.discard()
        assert.equal(cache.check(), [])
      } finally {
        await cache.close()
      }
      const contents = readFileSync(path)
      assert.is(contents.length, 2 * size)
      for (let block = 0; block < 2 * blocks; block++) {
        const number = block === 3 ? 200 : (block % blocks) + 1
        assert.equal(
          contents.subarray(block * blockSize, (block + 1) * blockSize),
          Buffer.alloc(blockSize, number),
        )
      }
    })
  }

  test('a file that was cut is a failed read, as without it', async () => {
    using folder = diskFolder()
    const path = join(folder.path, 'data')
    writeFileSync(path, Buffer.alloc(8 * 4096, 1))
    const cache = await openCache({
      memory: '1MiB',
      partitions: { data: { path, blockSize: 4096, direct: true } },
    })
    try {
      writeFileSync(path, Buffer.alloc(4096 + 100, 1))
      for (const block of [1, 5]) {
        let code = ''
        await cache.partition('data').acquire(block, 'read').catch((error: unknown) => { code = (error as CacheError).code }) // prettier-ignore
        assert.is(code, 'ERR_DCACHE_READ_FAILED', `block ${block}`)
      }
    } finally {
      await cache.close()
    }
  })
}

test('a cache of more than 4 GiB has no direct I/O, and no file is made', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'new')
  const error = await refused({ path, blockSize: 4096, size: '1MiB', direct: true }, '5GiB')
  assert.is(error.code, 'ERR_DCACHE_UNSUPPORTED')
  assert.match(error.message, /partition 'data'.*4 GiB/)
  assert.not.ok(existsSync(path))
})

// A file that has bytes and no direct I/O, on every Linux.
const WITHOUT = '/sys/kernel/mm/transparent_hugepage/enabled'
if (canRun('a file system without direct I/O', { [WITHOUT]: existsSync(WITHOUT) })) {
  test('where the file system has none it is refused, with the cause', async () => {
    const error = await refused({ path: WITHOUT, blockSize: 512, readOnly: true, direct: true })
    assert.is(error.code, 'ERR_DCACHE_UNSUPPORTED')
    assert.match(error.message, /partition 'data'.*without direct/)
    assert.is((error.cause as NodeJS.ErrnoException).code, 'EINVAL')
  })
}

test.run()
