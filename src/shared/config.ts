/**
 * Validates the options of `openCache` and converts them to numbers, before anything is opened. Every message has the bad
 * value.
 */
import { inspect } from 'node:util'
import { mayBeAligned } from './buffer.js'
import { CacheError, type CacheErrorCode } from './errors.js'
import type { CacheOptions, PartitionOptions } from './options.js'
import {
  BLOCK_SIZE_MAX,
  BLOCK_SIZE_MIN,
  CLASSES_MAX,
  type Geometry,
  GUARDS_MAX,
  layoutOf,
  PARTITION_NAME_BYTES,
  PARTITIONS_MAX,
  SLOTS_MAX,
  WRITERS_MAX,
} from './layout.js'

export interface Config {
  readonly memoryBytes: number
  readonly frameSize: number
  readonly partitions: readonly PartitionConfig[]
  /** The most partitions at a time. */
  readonly maxPartitions: number
  readonly groups: readonly string[]
  readonly writeOrder: readonly string[]
  readonly policy: 'lru2' | '2q'
  readonly threads: number
  readonly flushDelayMs: number
  readonly dirtyLimit: number
  readonly dirtyBackground: number
  readonly writeBytes: number
  /** Undefined means no limit. */
  readonly writeBytesPerSecond: number | undefined
  readonly traceEntries: number
  readonly readAheadBytes: number
}

export interface PartitionConfig {
  readonly name: string
  readonly path: string
  readonly blockSize: number
  /** Bytes; undefined means what the file holds. */
  readonly size: number | undefined
  readonly offset: number
  readonly readOnly: boolean
  readonly direct: boolean
  readonly group: number
  /** Undefined means no limit. */
  readonly share: number | undefined
}

/** Longest write by default: longer ones make the device no faster, but a caller that changes a block waits longer for it. */
export const WRITE_BYTES_DEFAULT = 2 ** 20
/** As many blocks of the largest size as a writer can pin. */
const WRITE_BYTES_MAX = GUARDS_MAX * BLOCK_SIZE_MAX

/** Besides the owner, the flush worker, the reader and one writer. */
export const THREADS_MAX = SLOTS_MAX - 4

const POLICIES: readonly CacheOptions['policy'][] = ['lru2', '2q']

const UNITS: Readonly<Record<string, number>> = {
  '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40,
  K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40,
} // prettier-ignore

/** Converts a number, or a string such as '64MiB', '1.5 GB' or '4096', to bytes. @throws ERR_DCACHE_BAD_OPTION */
export function parseSize(value: number | string, what: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(value))
  const unit = UNITS[match?.[2]?.toUpperCase() ?? '?']
  const bytes = unit === undefined ? NaN : Number(match?.[1]) * unit
  if (!Number.isSafeInteger(bytes))
    refuse(`${what} is ${show(value)}; it must be a whole number of bytes, or a string such as '64MiB'`)
  return bytes
}

/** Validates all options and fills in defaults. @throws ERR_DCACHE_BAD_OPTION, ERR_DCACHE_BAD_BLOCK_SIZE */
export function parseOptions(options: CacheOptions): Config {
  if (typeof options !== 'object' || (options as unknown) === null)
    refuse(`the options are ${show(options)}; they must be an object`)
  if (typeof options.partitions !== 'object' || (options.partitions as unknown) === null) {
    refuse(`partitions is ${show(options.partitions)}; it must be an object with the partitions by name`)
  }
  const entries = Object.entries(options.partitions)
  const { maxPartitions = 64 } = options
  if (!Number.isInteger(maxPartitions) || maxPartitions < 1 || maxPartitions > PARTITIONS_MAX)
    refuse(`maxPartitions is ${show(maxPartitions)}; it must be 1 to ${PARTITIONS_MAX}`)
  if (entries.length === 0 || entries.length > maxPartitions) {
    refuse(
      `partitions has ${entries.length} entries; it must have 1 to ${maxPartitions}, which is maxPartitions`,
    )
  }
  const groups = [...new Set(entries.map(([, partition]) => groupOf(partition)))]
  const partitions = entries.map(([name, partition]) => parsePartition(name, partition, groups))
  const {
    policy = '2q',
    threads = 64,
    flushDelayMs = 5000,
    dirtyLimit = 2 / 3,
    traceEntries = 0,
    readAheadBytes = 2 ** 20,
  } = options
  if (!POLICIES.includes(policy)) refuse(`policy is ${show(policy)}; it must be ${POLICIES.join(' or ')}`)
  if (!Number.isInteger(threads) || threads < 1 || threads > THREADS_MAX) {
    refuse(`threads is ${show(threads)}; it must be 1 to ${THREADS_MAX}`)
  }
  if (!Number.isInteger(flushDelayMs) || flushDelayMs < 0 || flushDelayMs > 2 ** 31 - 1) {
    refuse(`flushDelayMs is ${show(flushDelayMs)}; it must be a whole number of milliseconds, 0 to 2^31 - 1`)
  }
  if (typeof dirtyLimit !== 'number' || !(dirtyLimit > 0 && dirtyLimit <= 1)) {
    refuse(`dirtyLimit is ${show(dirtyLimit)}; it must be a share of the blocks, above 0 and at most 1`)
  }
  const { dirtyBackground = dirtyLimit / 2 } = options
  if (typeof dirtyBackground !== 'number' || !(dirtyBackground > 0 && dirtyBackground <= 1)) {
    refuse(
      `dirtyBackground is ${show(dirtyBackground)}; it must be a share of the blocks, above 0 and at most 1`,
    )
  }
  const writeBytes = parseSize(options.writeBytes ?? WRITE_BYTES_DEFAULT, 'writeBytes')
  if (writeBytes < BLOCK_SIZE_MIN || writeBytes > WRITE_BYTES_MAX)
    refuse(`writeBytes is ${show(options.writeBytes)}; it must be 512 to ${WRITE_BYTES_MAX} bytes`)
  const writeBytesPerSecond =
    options.writeBytesPerSecond === undefined
      ? undefined
      : parseSize(options.writeBytesPerSecond, 'writeBytesPerSecond')
  if (writeBytesPerSecond === 0)
    refuse('writeBytesPerSecond is 0; it must be at least 1 byte per second; leave it out for no limit')
  if (
    !Number.isInteger(traceEntries) ||
    traceEntries < 0 ||
    traceEntries > 2 ** 20 ||
    (traceEntries & (traceEntries - 1)) !== 0
  ) {
    refuse(`traceEntries is ${show(traceEntries)}; it must be 0 or a power of two up to 1048576`)
  }
  return {
    memoryBytes: parseSize(options.memory, 'memory'),
    frameSize: Math.max(...partitions.map((partition) => partition.blockSize)),
    partitions,
    maxPartitions,
    groups,
    writeOrder: parseWriteOrder(options.writeOrder ?? ['data', 'directory', 'trailer']),
    policy,
    threads,
    flushDelayMs,
    dirtyLimit,
    dirtyBackground,
    writeBytes,
    writeBytesPerSecond,
    traceEntries,
    readAheadBytes: parseSize(readAheadBytes, 'readAheadBytes'),
  }
}

/**
 * Validates the options of a partition that is added to a cache with these groups and frames.
 * @throws ERR_DCACHE_BAD_OPTION, ERR_DCACHE_BAD_BLOCK_SIZE, ERR_DCACHE_UNSUPPORTED
 */
export function parseAdded(
  name: unknown,
  options: PartitionOptions,
  { groups, frameSize, isAligned }: { groups: readonly string[]; frameSize: number; isAligned: boolean },
): PartitionConfig {
  if (typeof name !== 'string') refuse(`the name is ${show(name)}; it must be a string`)
  const partition = parsePartition(name, options, groups)
  const what = `partition '${name}'`
  if (partition.group < 0) {
    const known = groups.map(show).join(', ')
    refuse(
      `${what}: group is ${show(groupOf(options))}; groups are those of the partitions that the cache was opened with: ${known}`,
    )
  }
  if (partition.blockSize > frameSize)
    refuse(
      `${what}: blockSize is ${partition.blockSize}; the largest of the partitions that the cache was opened with is ${frameSize}`,
      'ERR_DCACHE_BAD_BLOCK_SIZE',
    )
  if (partition.direct && !isAligned)
    refuse(
      `${what}: direct I/O needs page-aligned blocks, which this cache does not have`,
      'ERR_DCACHE_UNSUPPORTED',
    )
  return partition
}

function parsePartition(name: string, options: PartitionOptions, groups: readonly string[]): PartitionConfig {
  const what = `partition '${name}'`
  if (name === '' || Buffer.byteLength(name) > PARTITION_NAME_BYTES)
    refuse(`${what}: the name must have 1 to ${PARTITION_NAME_BYTES} bytes of UTF-8`)
  if (typeof options !== 'object' || (options as unknown) === null)
    refuse(`${what} is ${show(options)}; it must be an object`)
  const { path, blockSize, size, offset, readOnly = false, direct = false, share } = options
  if (typeof readOnly !== 'boolean')
    refuse(`${what}: readOnly is ${show(readOnly)}; it must be true or false`)
  if (typeof groupOf(options) !== 'string')
    refuse(`${what}: group is ${show(options.group)}; it must be a name`)
  if (typeof path !== 'string' || path === '')
    refuse(`${what}: path is ${show(path)}; it must be the name of a file or block device`)
  if (
    !Number.isInteger(blockSize) ||
    blockSize < BLOCK_SIZE_MIN ||
    blockSize > BLOCK_SIZE_MAX ||
    (blockSize & (blockSize - 1)) !== 0
  ) {
    refuse(
      `${what}: blockSize is ${show(blockSize)}; it must be a power of two from 512 to 65536 bytes`,
      'ERR_DCACHE_BAD_BLOCK_SIZE',
    )
  }
  if (typeof direct !== 'boolean') refuse(`${what}: direct is ${show(direct)}; it must be true or false`)
  if (share !== undefined && (typeof share !== 'number' || !(share > 0 && share <= 1)))
    refuse(`${what}: share is ${show(share)}; it must be a share of the frames, above 0 and at most 1`)
  const sizeBytes = size === undefined ? undefined : parseSize(size, `${what}: size`)
  const offsetBytes = offset === undefined ? 0 : parseSize(offset, `${what}: offset`)
  if (sizeBytes !== undefined && (sizeBytes === 0 || sizeBytes % blockSize !== 0)) {
    refuse(
      `${what}: size is ${sizeBytes} bytes; it must be a positive multiple of the block size, ${blockSize} bytes`,
    )
  }
  if (offsetBytes % blockSize !== 0)
    refuse(
      `${what}: offset is ${offsetBytes} bytes; it must be a multiple of the block size, ${blockSize} bytes`,
    )
  return {
    name,
    path,
    blockSize,
    size: sizeBytes,
    offset: offsetBytes,
    readOnly,
    direct,
    group: groups.indexOf(groupOf(options)),
    share,
  }
}

/** The group of a partition. A partition that is not an object, which is refused later, gets the default. */
const groupOf = (options: PartitionOptions | null | undefined): string => options?.group ?? ''

function parseWriteOrder(writeOrder: readonly string[]): readonly string[] {
  const isList = Array.isArray as (value: unknown) => boolean
  const wrong =
    !isList(writeOrder) ||
    writeOrder.length < 1 ||
    writeOrder.length > CLASSES_MAX ||
    new Set(writeOrder).size !== writeOrder.length ||
    !writeOrder.every((name) => typeof name === 'string' && name !== '')
  if (wrong) refuse(`writeOrder is ${show(writeOrder)}; it must be 1 to ${CLASSES_MAX} different names`)
  return [...writeOrder]
}

/** In a smaller pool no group borrows frames. */
const LOANS_FROM = 64

/**
 * Divides the memory: one frame in 64, and at least two per group, is a spare. Together the groups may borrow an eighth of the
 * others, unless there are so few that every one counts.
 * @throws ERR_DCACHE_MEMORY; ERR_DCACHE_UNSUPPORTED for direct I/O with more than 4 GiB
 */
export function geometryOf(config: Config): Geometry {
  const { frameSize, partitions, groups } = config
  const frames = Math.floor(config.memoryBytes / frameSize)
  const sparesOfGroup = Math.max(2, Math.floor(frames / 64 / groups.length))
  const spares = sparesOfGroup * groups.length
  const blocks = frames - spares
  if (blocks < 2) {
    const least = (2 * groups.length + 2) * frameSize
    refuse(
      `memory is ${config.memoryBytes} bytes; ${groups.length} group(s) with blocks of ${frameSize} bytes need at least ${least} bytes`,
      'ERR_DCACHE_MEMORY',
    )
  }
  if (blocks > 2 ** 29)
    refuse(
      `memory is ${config.memoryBytes} bytes, or ${blocks} blocks; the limit is 2^29 blocks; use less memory or larger blocks`,
      'ERR_DCACHE_MEMORY',
    )
  const writers = Math.min(config.maxPartitions, WRITERS_MAX, SLOTS_MAX - 3 - config.threads)
  const buckets = 2 ** Math.ceil(Math.log2(blocks))
  const geometry = {
    blocks,
    spares,
    loans: blocks < LOANS_FROM ? 0 : Math.floor(blocks / 8 / groups.length) * groups.length,
    frameSize,
    partitions: config.maxPartitions,
    groups: groups.length,
    slots: 3 + writers + config.threads,
    writers,
    stripes: Math.min(buckets, 64),
    buckets,
    traceEntries: config.traceEntries,
    classes: config.writeOrder.length,
    ghosts: config.policy === '2q' ? blocks : 0,
  }
  const direct = partitions.find((partition) => partition.direct)
  if (direct && !mayBeAligned(layoutOf(geometry).totalBytes)) {
    refuse(
      `partition '${direct.name}': direct I/O needs page-aligned blocks, which a cache of more than 4 GiB in all does not have; memory is ${config.memoryBytes} bytes; use less memory, or open the partition without direct`,
      'ERR_DCACHE_UNSUPPORTED',
    )
  }
  return geometry
}

/** With fewer frames a partition could hardly be used. */
const FRAMES_LEAST = 8

/** The most frames that a partition may have; 0: no limit. */
export function framesMaxOf({ share }: PartitionConfig, { blocks }: Pick<Geometry, 'blocks'>): number {
  return share === undefined ? 0 : Math.min(blocks, Math.max(FRAMES_LEAST, Math.floor(blocks * share)))
}

function refuse(message: string, code: CacheErrorCode = 'ERR_DCACHE_BAD_OPTION'): never {
  throw new CacheError(code, message)
}

/** A value as it would be written in code, truncated to 80 characters for a message. */
export function show(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : inspect(value, { breakLength: Infinity, depth: 1 })
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
