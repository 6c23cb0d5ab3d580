// Direct I/O: blocks written past the page cache are in the file, and where it is unavailable the open is refused.

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

/** A folder in the project: a temporary one may be in memory. */
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
          // A later part of the same file.
          more: { path, blockSize, offset: size, size, direct: true },
        },
      })
      try {
        // More blocks than the cache holds, so that they are evicted and read again.
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
        // A round that writes a block while a declared range of it is being changed assembles the block's image.
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

  test('a read past the end of a truncated file fails, as without direct I/O', async () => {
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

test('direct I/O is refused for a cache of more than 4 GiB, and no file is created', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'new')
  const error = await refused({ path, blockSize: 4096, size: '1MiB', direct: true }, '5GiB')
  assert.is(error.code, 'ERR_DCACHE_UNSUPPORTED')
  assert.match(error.message, /partition 'data'.*4 GiB/)
  assert.not.ok(existsSync(path))
})

// On every Linux this file has contents and no direct I/O.
const WITHOUT = '/sys/kernel/mm/transparent_hugepage/enabled'
if (canRun('a file system without direct I/O', { [WITHOUT]: existsSync(WITHOUT) })) {
  test('on a file system without direct I/O the open is refused with the cause', async () => {
    const error = await refused({ path: WITHOUT, blockSize: 512, readOnly: true, direct: true })
    assert.is(error.code, 'ERR_DCACHE_UNSUPPORTED')
    assert.match(error.message, /partition 'data'.*without direct/)
    assert.is((error.cause as NodeJS.ErrnoException).code, 'EINVAL')
  })
}

test.run()
