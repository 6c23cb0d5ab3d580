// Bad options and bad files: each is refused with a code of its own and the value in the message, nothing on the disk is
// created or changed, and a correct open works afterwards.

import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { linkSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CacheErrorCode, type CacheOptions, openCache, type PartitionOptions } from 'dcache'
import { memoryFor, refusal, writeBlocks } from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { sample } from '../support/size.js'

const FILE = fileURLToPath(import.meta.url)
const MEMORY = memoryFor(8)

/** A folder with a file of 8 blocks, and a snapshot of the names and contents of its files, to compare. */
interface Place {
  readonly folder: string
  readonly path: string
  snapshot(): Record<string, string>
}

async function withPlace(body: (place: Place) => Promise<void>): Promise<void> {
  using temp = tempFolder()
  const path = join(temp.path, 'data')
  writeBlocks(path, 8)
  const snapshot = () =>
    Object.fromEntries(
      readdirSync(temp.path)
        .sort()
        .map((name) => [name, summary(join(temp.path, name))]),
    )
  await body({ folder: temp.path, path, snapshot })
}

function summary(path: string): string {
  if (!statSync(path).isFile()) return 'no file'
  const bytes = readFileSync(path)
  return `${bytes.length} bytes ${createHash('sha1').update(bytes).digest('hex')}`
}

/** The open must be refused with this code and these texts and change nothing; then a correct open must succeed. */
async function refused(
  place: Place,
  options: unknown,
  code: CacheErrorCode,
  ...texts: (string | number)[]
): Promise<void> {
  const before = place.snapshot()
  const error = await refusal(code, () => openCache(options as CacheOptions), ...texts)
  assert.equal(place.snapshot(), before, `something was changed: ${error.message}`)
  await using cache = await openCache({
    memory: MEMORY,
    partitions: { data: { path: place.path, blockSize: 512 } },
  })
  ;(await cache.partition('data').acquire(7, 'modify')).release()
  assert.equal(cache.check(), [])
}

const options = suite('bad options')

const BAD_OPTIONS: readonly [string, unknown, CacheErrorCode?][] = [
  ['memory', undefined],
  ['memory', 'lots'],
  ['memory', -5],
  ['memory', NaN],
  ['memory', 1.5],
  ['memory', '64 parsecs'],
  ['memory', 0, 'ERR_DCACHE_MEMORY'],
  ['memory', 2047, 'ERR_DCACHE_MEMORY'],
  ['memory', 2 ** 50, 'ERR_DCACHE_MEMORY'],
  ['memory', 2 ** 38, 'ERR_DCACHE_MEMORY'],
  ['policy', 'fifo'],
  ['policy', null],
  ['threads', 0],
  ['threads', -1],
  ['threads', 1.5],
  ['threads', 1000],
  ['threads', '4'],
  ['dirtyLimit', 0],
  ['dirtyLimit', -0.5],
  ['dirtyLimit', 1.01],
  ['dirtyLimit', NaN],
  ['dirtyLimit', '0.5'],
  ['dirtyBackground', 0],
  ['dirtyBackground', 2],
  ['writeBytes', 100],
  ['writeBytes', '1GiB'],
  ['writeBytesPerSecond', 0],
  ['flushDelayMs', -1],
  ['flushDelayMs', NaN],
  ['flushDelayMs', Infinity],
  ['flushDelayMs', '10'],
  ['traceEntries', -1],
  ['traceEntries', 3],
  ['traceEntries', 2 ** 21],
  ['traceEntries', 1.5],
  ['writeOrder', []],
  ['writeOrder', ['a', 'a']],
  ['writeOrder', ['a', '']],
  ['writeOrder', ['a', 5]],
  ['writeOrder', 'data'],
  ['writeOrder', ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']],
  ['partitions', undefined],
  ['partitions', null],
  ['partitions', {}],
  ['partitions', 'data'],
]

/** What a message must at least contain of a value. */
const shown = (value: unknown): string =>
  Array.isArray(value) ? '[' : typeof value === 'object' && value !== null ? '0 entries' : String(value)

for (const [name, value, code = 'ERR_DCACHE_BAD_OPTION'] of sample(BAD_OPTIONS, 12)) {
  options(`${name}: ${inspect(value)}`, () =>
    withPlace((place) => {
      const good = { memory: MEMORY, partitions: { data: { path: place.path, blockSize: 512 } } }
      const texts = code === 'ERR_DCACHE_BAD_OPTION' ? [name, shown(value)] : []
      return refused(place, { ...good, [name]: value }, code, ...texts)
    }),
  )
}

const BAD_PARTITIONS: readonly [string, unknown, CacheErrorCode?][] = [
  ['blockSize', 500, 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['blockSize', 513, 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['blockSize', 3072, 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['blockSize', 256, 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['blockSize', 0, 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['blockSize', -512, 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['blockSize', 131072, 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['blockSize', NaN, 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['blockSize', '512', 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['blockSize', undefined, 'ERR_DCACHE_BAD_BLOCK_SIZE'],
  ['path', undefined],
  ['path', ''],
  ['path', 5],
  ['size', 0],
  ['size', 1000],
  ['size', -512],
  ['size', 'big'],
  ['offset', 100],
  ['offset', -512],
  ['offset', 'far'],
  ['direct', 'yes'],
  ['direct', 1],
  ['group', 5],
  ['readOnly', 'no'],
  ['share', 0],
  ['share', 1.5],
  ['share', 'half'],
]

for (const [name, value, code = 'ERR_DCACHE_BAD_OPTION'] of sample(BAD_PARTITIONS, 8)) {
  options(`partition's ${name}: ${inspect(value)}`, () =>
    withPlace((place) => {
      const partition = { path: place.path, blockSize: 512, [name]: value }
      const texts = code === 'ERR_DCACHE_UNSUPPORTED' ? [] : [name, String(value)]
      return refused(place, { memory: MEMORY, partitions: { data: partition } }, code, "'data'", ...texts)
    }),
  )
}

for (const value of [undefined, null, 5, 'data']) {
  options(`a partition that is no object: ${String(value)}`, () =>
    withPlace((place) =>
      refused(place, { memory: MEMORY, partitions: { data: value } }, 'ERR_DCACHE_BAD_OPTION', "'data'"),
    ),
  )
  options(`options that are no object: ${String(value)}`, () =>
    withPlace((place) => refused(place, value, 'ERR_DCACHE_BAD_OPTION')),
  )
}

options('refused options create and extend no file', () =>
  withPlace(async (place) => {
    const path = join(place.folder, 'new')
    await refused(
      place,
      { memory: 1024, partitions: { data: { path, blockSize: 512, size: 8192 } } },
      'ERR_DCACHE_MEMORY',
    )
    await refused(
      place,
      { memory: 1024, partitions: { data: { path: place.path, blockSize: 512, size: 8192 } } },
      'ERR_DCACHE_MEMORY',
    )
    await refused(
      place,
      { memory: 2 ** 38, partitions: { data: { path, blockSize: 512, size: 8192 } } },
      'ERR_DCACHE_MEMORY',
    )
  }),
)

options.run()

const files = suite('bad files')

function badFile(
  title: string,
  partition: (place: Place) => Omit<PartitionOptions, 'blockSize'>,
  code: CacheErrorCode,
  ...texts: (string | number)[]
): void {
  files(title, () =>
    withPlace((place) => {
      const partitions = { data: { blockSize: 512, ...partition(place) } }
      return refused(place, { memory: MEMORY, partitions }, code, "'data'", partitions.data.path, ...texts)
    }),
  )
}

const inFolder = (name: string) => (place: Place) => ({ path: join(place.folder, name) })

badFile('a missing file', inFolder('missing'), 'ERR_DCACHE_BAD_FILE', 'no such file')
badFile(
  'a missing file, read-only',
  (place) => ({ ...inFolder('missing')(place), readOnly: true, size: 512 }),
  'ERR_DCACHE_BAD_FILE',
)
badFile(
  'a new file in a missing folder',
  (place) => ({ ...inFolder('missing/data')(place), size: 512 }),
  'ERR_DCACHE_BAD_FILE',
)
badFile('a folder', ({ folder }) => ({ path: folder }), 'ERR_DCACHE_BAD_FILE')
badFile('a folder, read-only', ({ folder }) => ({ path: folder, readOnly: true }), 'ERR_DCACHE_BAD_FILE')
badFile('a character device', () => ({ path: '/dev/null' }), 'ERR_DCACHE_BAD_FILE')
badFile('a name with a zero byte', () => ({ path: '/tmp/a\0b' }), 'ERR_DCACHE_BAD_FILE')
badFile('an offset past the end', ({ path }) => ({ path, offset: 4096 }), 'ERR_DCACHE_BAD_FILE', 4096)
badFile('a size beyond any file system', ({ path }) => ({ path, size: 2 ** 52 }), 'ERR_DCACHE_BAD_FILE')
badFile(
  'a size past the end of a read-only file',
  ({ path }) => ({ path, size: 8192, readOnly: true }),
  'ERR_DCACHE_BAD_FILE',
  8192,
)

files('an empty file is refused', () =>
  withPlace(async (place) => {
    const path = join(place.folder, 'empty')
    writeBlocks(path, 0)
    const partitions = { data: { path, blockSize: 512 } }
    await refused(place, { memory: MEMORY, partitions }, 'ERR_DCACHE_BAD_FILE', 'empty', path)
  }),
)

files('a file that is no multiple of the block size is refused', () =>
  withPlace(async (place) => {
    const path = join(place.folder, 'odd')
    writeBlocks(path, 3)
    const partitions = { data: { path, blockSize: 1024 } }
    await refused(place, { memory: MEMORY, partitions }, 'ERR_DCACHE_BAD_FILE', 1536, 1024)
  }),
)

files('when the second of two files is bad, the first is neither created nor extended', () =>
  withPlace(async (place) => {
    const bad = { path: join(place.folder, 'missing'), blockSize: 512 }
    const created = { path: join(place.folder, 'new'), blockSize: 512, size: 1024 }
    const extended = { path: place.path, blockSize: 512, size: 65536 }
    await refused(place, { memory: MEMORY, partitions: { created, bad } }, 'ERR_DCACHE_BAD_FILE', "'bad'")
    await refused(place, { memory: MEMORY, partitions: { extended, bad } }, 'ERR_DCACHE_BAD_FILE', "'bad'")
    const huge = { path: join(place.folder, 'huge'), blockSize: 512, size: 2 ** 52 }
    await refused(place, { memory: MEMORY, partitions: { extended, huge } }, 'ERR_DCACHE_BAD_FILE', "'huge'")
  }),
)

files('partitions may not overlap, by name, symbolic link, hard link or offset', () =>
  withPlace(async (place) => {
    const { path, folder } = place
    symlinkSync(path, join(folder, 'symbolic'))
    linkSync(path, join(folder, 'hard'))
    mkdirSync(join(folder, 'sub'))
    for (const b of [
      { path },
      { path: join(folder, 'symbolic') },
      { path: join(folder, 'hard') },
      { path: join(folder, 'sub', '..', 'data') },
      { path, offset: 3584 },
    ]) {
      const partitions = { a: { path, blockSize: 512 }, b: { blockSize: 512, ...b } }
      await refused(place, { memory: MEMORY, partitions }, 'ERR_DCACHE_IN_USE', "'a'", "'b'", b.path)
    }
  }),
)

files('disjoint parts of one file are two partitions', () =>
  withPlace(async ({ path }) => {
    const partitions = {
      a: { path, blockSize: 512, size: 2048 },
      b: { path, blockSize: 1024, offset: 2048 },
    }
    await using cache = await openCache({ memory: '64KiB', partitions })
    assert.is(cache.partition('a').blocks, 4)
    assert.is(cache.partition('b').blocks, 2)
    await cache.partition('a').write(new Uint8Array(2048).fill(1), 0)
    await cache.partition('b').write(new Uint8Array(2048).fill(2), 0)
    await cache.flush()
    const bytes = readFileSync(path)
    assert.is(bytes.indexOf(2), 2048)
    assert.is(bytes.lastIndexOf(1), 2047)
    assert.equal(cache.check(), [])
  }),
)

files('a file that this process has open is refused, by any name', () =>
  withPlace(async ({ path, folder }) => {
    linkSync(path, join(folder, 'hard'))
    const open = (name: string) =>
      openCache({ memory: MEMORY, partitions: { data: { path: join(folder, name), blockSize: 512 } } })
    {
      await using cache = await open('data')
      await refusal('ERR_DCACHE_IN_USE', () => open('data'), path)
      await refusal('ERR_DCACHE_IN_USE', () => open('hard'))
      assert.equal(cache.check(), [])
    }
    await using cache = await open('hard')
    assert.equal(cache.check(), [])
  }),
)

files('a file that another process has open is refused until that process ends', () =>
  withPlace(async (place) => {
    const child = fork(FILE, [place.path], { env: { ...process.env, DCACHE_TEST_HOLDS: place.path } })
    const exited = new Promise((resolve) => child.once('exit', resolve))
    try {
      await new Promise((resolve, reject) => {
        child.once('message', resolve)
        child.once('exit', () => reject(new Error('the other process ended')))
      })
      const partitions = { data: { path: place.path, blockSize: 512 } }
      await refusal('ERR_DCACHE_IN_USE', () => openCache({ memory: MEMORY, partitions }), place.path)
      // Another process may open it read-only while one writes.
      const readOnly = { data: { ...partitions.data, readOnly: true } }
      await using reader = await openCache({ memory: MEMORY, partitions: readOnly })
      assert.equal(reader.check(), [])
    } finally {
      child.kill('SIGKILL')
      await exited
    }
    const partitions = { data: { path: place.path, blockSize: 512 } }
    await using cache = await openCache({ memory: MEMORY, partitions })
    assert.equal(cache.check(), [])
  }),
)

const held = process.env['DCACHE_TEST_HOLDS']
if (held === undefined) {
  files.run()
} else {
  await openCache({ memory: MEMORY, partitions: { data: { path: held, blockSize: 512 } } })
  process.send!('open')
}
