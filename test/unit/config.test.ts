// Options: sizes with units, defaults, and errors that name the value that cannot work.

import { resolve } from 'node:path'
import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { geometryOf, parseOptions } from '#dist/shared/config.js'
import { parseSize, show } from '#dist/shared/values.js'
import { CacheError, type CacheErrorCode } from '#dist/shared/errors.js'
import { options } from '../support/small-context.js'

const sizes = suite('sizes')

sizes('a size is a number or a string with a unit', () => {
  const cases: [number | string, number][] = [
    [0, 0], [4096, 4096], ['4096', 4096], [' 12 ', 12], ['7 B', 7], ['1k', 1024], ['1K', 1024], ['1KiB', 1024],
    ['1kb', 1000], ['64MiB', 64 * 2 ** 20], ['64 mib', 64 * 2 ** 20], ['1.5GiB', 1.5 * 2 ** 30], ['2MB', 2e6],
    ['1.5 GB', 1.5e9], ['3g', 3 * 2 ** 30], ['1TiB', 2 ** 40], ['1TB', 1e12], ['0.5KiB', 512], [2 ** 53 - 1, 2 ** 53 - 1],
  ] // prettier-ignore
  for (const [text, bytes] of cases) assert.is(parseSize(text, 'memory'), bytes, String(text))
})

sizes('other values are no size', () => {
  const wrong = ['', 'MiB', '12 parsecs', '1e3', '-5', '1,5MiB', '0x10', '1.3', '0.3KiB', '1 2', '9007199254740993', '1PiB',
    -1, 1.5, NaN, Infinity, 2 ** 53, undefined, null, {}, [], true, 10n ** 20n] // prettier-ignore
  for (const value of wrong) {
    refuses(() => parseSize(value as string, 'memory'), 'ERR_DCACHE_BAD_OPTION', 'memory', show(value))
  }
})

/** The action must throw this code with these texts in the message. */
function refuses(action: () => unknown, code: CacheErrorCode, ...texts: string[]): void {
  try {
    action()
  } catch (error) {
    if (!(error instanceof CacheError)) throw error
    const { message } = error
    assert.is(error.code, code, message)
    for (const text of texts) assert.ok(message.includes(text), `${message} | should have: ${text}`)
    return
  }
  assert.unreachable(`accepted: ${texts.join(', ')}`)
}

const parse = (more: object) => () => parseOptions({ ...options(), ...more })
const parsePartition = (more: object) =>
  parse({ partitions: { log: { path: 'f', blockSize: 4096, ...more } } })
const BAD = 'ERR_DCACHE_BAD_OPTION'

test('defaults', () => {
  const config = parseOptions({ memory: '1MiB', partitions: { a: { path: 'f', blockSize: 512 } } })
  assert.equal(config, {
    memoryBytes: 2 ** 20,
    memoryMaxBytes: 2 ** 20,
    frameSize: 512,
    maxPartitions: 64,
    partitions: [
      {
        name: 'a',
        path: 'f',
        blockSize: 512,
        size: undefined,
        offset: 0,
        readOnly: false,
        direct: false,
        group: 0,
        share: undefined,
      },
    ],
    groups: [''],
    journals: new Map(),
    writeOrder: ['data', 'directory', 'trailer'],
    policy: 'adaptive',
    threads: 64,
    writeBytes: 2 ** 20,
    traceEntries: 0,
    traceBlocks: true,
    settings: {
      dirtyLimit: 2 / 3,
      dirtyBackground: 1 / 3,
      flushDelayMs: 5000,
      writeBytesPerSecond: Infinity,
      readAheadBytes: 2 ** 20,
    },
    live: {
      memory: '1MiB',
      dirtyLimit: undefined,
      dirtyBackground: undefined,
      flushDelayMs: undefined,
      writeBytesPerSecond: undefined,
      readAheadBytes: undefined,
    },
    warm: undefined,
    warmBytesPerSecond: 2 ** 26,
  })
})

test('every option that is given is kept', () => {
  const writeOrder = ['x', 'y']
  const config = parseOptions({
    memory: 2 ** 20,
    partitions: {
      a: { path: 'f', blockSize: 512, size: '1KiB', offset: '4KiB', readOnly: true, group: 'g' },
      b: { path: 'h', blockSize: 65536 },
      c: { path: 'i', blockSize: 1024, group: 'g', direct: false },
    },
    writeOrder,
    policy: 'lru2',
    threads: 3,
    flushDelayMs: 0,
    dirtyLimit: 1,
    dirtyBackground: 0.1,
    writeBytes: '64KiB',
    writeBytesPerSecond: '10MB',
    traceEntries: 8,
    traceBlocks: false,
  })
  assert.is(config.frameSize, 65536)
  assert.equal(config.groups, ['g', ''])
  assert.equal(
    config.partitions.map(({ group }) => group),
    [0, 1, 0],
  )
  assert.equal(config.partitions[0], {
    name: 'a',
    path: 'f',
    blockSize: 512,
    size: 1024,
    offset: 4096,
    readOnly: true,
    direct: false,
    group: 0,
    share: undefined,
  })
  assert.is(config.policy, 'lru2')
  const { settings } = config
  assert.equal(
    [config.threads, settings.flushDelayMs, settings.dirtyLimit, config.traceEntries, config.traceBlocks],
    [3, 0, 1, 8, false],
  )
  assert.equal([settings.dirtyBackground, config.writeBytes, settings.writeBytesPerSecond], [0.1, 65536, 1e7])
  writeOrder.push('z')
  assert.equal(config.writeOrder, ['x', 'y'], 'a copy')
})

test('options that are no object are refused', () => {
  for (const value of [undefined, null, 5, 'x']) refuses(() => parseOptions(value as never), BAD, show(value))
  for (const partitions of [undefined, null, 5])
    refuses(parse({ partitions }), BAD, 'partitions', show(partitions))
})

test('the number of partitions is limited', () => {
  refuses(parse({ partitions: {} }), BAD, '0 entries')
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, { path: 'f', blockSize: 512 }])) // prettier-ignore
  refuses(parse({ partitions: many(65) }), BAD, '65 entries')
  assert.is(parse({ partitions: many(64) })().partitions.length, 64)
})

test('without partitions the block size must be known, and groups may be named for later', () => {
  const empty = { memory: 2 ** 20, partitions: {} }
  const { frameSize, groups } = parseOptions({ ...empty, maxBlockSize: 4096, groups: ['x', 'y', 'x'] })
  assert.equal([frameSize, groups], [4096, ['x', 'y']])
  assert.equal(parseOptions({ ...empty, maxBlockSize: 512 }).groups, [''])
  assert.is(parse({ maxBlockSize: 8192 })().frameSize, 8192)
  assert.equal(parse({ groups: ['x'] })().groups, ['', 'x'])
  for (const maxBlockSize of [0, 511, 3000, 131072, '4K'])
    refuses(parse({ maxBlockSize }), 'ERR_DCACHE_BAD_BLOCK_SIZE', 'maxBlockSize', show(maxBlockSize))
  refuses(
    parse({ maxBlockSize: 512, partitions: { a: { path: 'f', blockSize: 1024 } } }),
    BAD,
    'maxBlockSize',
  )
  assert.equal(parse({ groups: { x: {}, y: {} } })().groups, ['', 'x', 'y'])
  for (const groups of ['x', [5], null]) refuses(parse({ groups }), BAD, 'groups', show(groups))
  assert.equal(
    [...parse({ groups: { x: { journal: { path: '/j' } } } })().journals],
    [['x', { path: '/j', bytes: undefined }]],
  )
})

test('warm and warmBytesPerSecond', () => {
  assert.is(parse({ warm: 'list' })().warm, resolve('list'))
  for (const warm of ['', 5, null, {}]) refuses(parse({ warm }), BAD, 'warm', show(warm))
  for (const warmBytesPerSecond of [0, -1, 'fast', Infinity])
    refuses(parse({ warmBytesPerSecond }), BAD, 'warmBytesPerSecond')
})

test('memoryMax', () => {
  assert.is(parse({ memory: '1MiB', memoryMax: '2MiB' })().memoryMaxBytes, 2 ** 21)
  for (const memoryMax of [512, '1KiB', 'much', -1])
    refuses(parse({ memory: '1MiB', memoryMax }), BAD, 'memoryMax')
})

test('policy', () => {
  for (const policy of ['lru2', 'adaptive'] as const) assert.is(parse({ policy })().policy, policy)
  for (const policy of ['lru', 'LRU2', '2q', '', null, 2, {}])
    refuses(parse({ policy }), BAD, 'policy', show(policy), 'adaptive or lru2')
})

test('threads', () => {
  for (const threads of [0, -1, 1.5, 251, '4', null, NaN])
    refuses(parse({ threads }), BAD, 'threads', show(threads))
  assert.is(parse({ threads: 250 })().threads, 250)
})

test('flushDelayMs', () => {
  for (const flushDelayMs of [-1, 0.5, 2 ** 31, NaN, Infinity, '5'])
    refuses(parse({ flushDelayMs }), BAD, 'flushDelayMs', show(flushDelayMs))
})

test('dirtyLimit', () => {
  for (const dirtyLimit of [0, -0.1, 1.1, NaN, '0.5', null])
    refuses(parse({ dirtyLimit }), BAD, 'dirtyLimit', show(dirtyLimit))
})

test('dirtyBackground, writeBytes and writeBytesPerSecond have defaults and bounds', () => {
  assert.is(
    parseOptions({ ...options(), dirtyLimit: 0.5 }).settings.dirtyBackground,
    0.25,
    'half of the limit',
  )
  for (const dirtyBackground of [0, -0.1, 1.1, NaN, '0.5', null])
    refuses(parse({ dirtyBackground }), BAD, 'dirtyBackground', show(dirtyBackground))
  for (const writeBytes of [0, 511, '17MiB', -1, NaN, 'much'])
    refuses(parse({ writeBytes }), BAD, 'writeBytes')
  for (const writeBytesPerSecond of [0, -1, 1.5, 'fast'])
    refuses(parse({ writeBytesPerSecond }), BAD, 'writeBytesPerSecond')
})

test('traceEntries', () => {
  for (const traceEntries of [-1, 3, 1.5, 2 ** 21, NaN, '8'])
    refuses(parse({ traceEntries }), BAD, 'traceEntries', show(traceEntries))
})

test('traceBlocks', () => {
  for (const traceBlocks of [0, 1, 'true', null, {}])
    refuses(parse({ traceBlocks }), BAD, 'traceBlocks', show(traceBlocks))
  assert.is(parse({ traceBlocks: false, traceEntries: 8 })().traceBlocks, false)
})

test('readAheadBytes', () => {
  for (const readAheadBytes of [-1, 0.5, NaN, Infinity, 'much', null, {}])
    refuses(parse({ readAheadBytes }), BAD, 'readAheadBytes', show(readAheadBytes))
  assert.is(parse({ readAheadBytes: 0 })().settings.readAheadBytes, 0)
  assert.is(parse({ readAheadBytes: '64KiB' })().settings.readAheadBytes, 65536)
})

test('writeOrder', () => {
  const eight = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  for (const writeOrder of [[], eight, ['a', 'a'], ['a', ''], ['a', 3], 'data', 7, {}])
    refuses(parse({ writeOrder }), BAD, 'writeOrder', show(writeOrder))
  assert.equal(parse({ writeOrder: eight.slice(1) })().writeOrder, eight.slice(1))
})

test("a partition's path and block size are checked", () => {
  for (const path of [undefined, '', 5]) refuses(parsePartition({ path }), BAD, "'log'", 'path', show(path))
  for (const blockSize of [undefined, 0, 256, 511, 513, 3000, 131072, 512.5, '512', NaN])
    refuses(parsePartition({ blockSize }), 'ERR_DCACHE_BAD_BLOCK_SIZE', "'log'", 'blockSize', show(blockSize))
})

test('a partition that is no object is refused', () => {
  for (const partition of [undefined, null, 5, 'file'])
    refuses(parse({ partitions: { log: partition } }), BAD, "'log'")
})

test("a partition's size and offset are checked", () => {
  for (const size of [0, 4095, 5000, '1KB', 'big', -4096, null])
    refuses(parsePartition({ size }), BAD, "'log'", 'size')
  for (const offset of [1, 512, '1KB', -4096, 'x', null])
    refuses(parsePartition({ offset }), BAD, "'log'", 'offset')
  assert.is(parsePartition({ offset: 0, size: 4096 })().partitions[0]!.size, 4096)
})

test('direct I/O is available for pools of up to 4 GiB', () => {
  assert.ok(
    parseOptions({ ...options(), partitions: { a: { path: 'f', blockSize: 512, direct: true } } })
      .partitions[0]!.direct,
  )
  refuses(parsePartition({ direct: 'yes' }), BAD, "'log'", "direct is 'yes'")
  const large = { memory: '4GiB', partitions: { a: { path: 'f', blockSize: 65536, direct: true } } }
  refuses(() => geometryOf(parseOptions(large)), 'ERR_DCACHE_UNSUPPORTED', "'a'", '4 GiB')
})

test('memory', () => {
  refuses(parse({ memory: undefined }), BAD, 'memory')
  refuses(() => geometryOf(parse({ memory: 0 })()), 'ERR_DCACHE_MEMORY')
  refuses(() => geometryOf(parse({ memory: 3 * 512 })()), 'ERR_DCACHE_MEMORY', '1536', '2048')
  refuses(() => geometryOf(parse({ memory: '1TiB' })()), 'ERR_DCACHE_MEMORY', '2^29')
  const { blocks, spares, loans } = geometryOf(parse({ memory: 4 * 512 })())
  assert.equal([blocks, spares, loans], [2, 2, 0], 'the least')
})

test('the memory is divided into blocks and spares', () => {
  const partitions = { a: { path: 'a', blockSize: 8192 }, b: { path: 'b', blockSize: 512, group: 'b' } }
  const g = geometryOf(parse({ memory: '64MiB', partitions, threads: 10 })())
  assert.is(g.frameSize, 8192)
  assert.is(g.blocks + g.spares, 8192)
  assert.equal([g.spares, g.loans], [128, 1008])
  assert.equal([g.spares % g.groups, g.loans % g.groups], [0, 0])
  assert.equal([g.slots, g.writers], [3 + 16 + 10, 16])
  assert.ok(g.buckets >= g.blocks && g.buckets < 2 * g.blocks)
  for (const power of [g.buckets, g.stripes]) assert.is(power & (power - 1), 0)
  assert.ok(g.stripes <= g.buckets)
})

test('a journal has a writer more, as far as there are slots', () => {
  const writers = (more: object) => geometryOf(parse({ memory: '64MiB', ...more })()).writers
  const groups = { x: { journal: { path: '/x' } }, y: { journal: { path: '/y' } }, z: {} }
  assert.equal([writers({ maxPartitions: 3 }), writers({ maxPartitions: 3, groups })], [3, 5])
  assert.is(writers({ maxPartitions: 64, groups }), 16)
  assert.is(writers({ maxPartitions: 3, threads: 250, groups }), writers({ maxPartitions: 64, threads: 250 }))
})

test('a value is shown as it would be written, up to a limited length', () => {
  assert.is(show('x'), "'x'")
  assert.is(show({ a: 1 }), '{ a: 1 }')
  assert.is(show('y'.repeat(200)).length, 80)
})

sizes.run()
test.run()
