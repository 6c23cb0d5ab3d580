/**
 * Validates the options of `openCache` and converts them to numbers, before anything is opened. Every message has the bad
 * value.
 */
import { resolve } from 'node:path'
import { mayBeAligned } from './buffer.js'
import { type GroupsConfig, parseGroups } from './group-options.js'
import type { CacheOptions, LiveOptions, PartitionOptions, PolicyName } from './options.js'
import { LIVE, parseSettings, type Settings } from './settings.js'
import { parseSize, refuse, show } from './values.js'
import {
  BLOCK_SIZE_MAX,
  BLOCK_SIZE_MIN,
  CLASSES_MAX,
  type Geometry,
  ghostWordsOf,
  GUARDS_MAX,
  layoutOf,
  PARTITION_NAME_BYTES,
  PARTITIONS_MAX,
  SLOTS_MAX,
  WRITERS_MAX,
} from './layout.js'

export interface Config {
  /** Bytes of the pool at the beginning, and at most. */
  readonly memoryBytes: number
  readonly memoryMaxBytes: number
  readonly frameSize: number
  readonly partitions: readonly PartitionConfig[]
  /** The most partitions at a time. */
  readonly maxPartitions: number
  readonly groups: readonly string[]
  /** The journals, by the name of the group. */
  readonly journals: GroupsConfig['journals']
  readonly writeOrder: readonly string[]
  readonly policy: PolicyName
  readonly threads: number
  readonly writeBytes: number
  readonly traceEntries: number
  readonly traceBlocks: boolean
  /** The path of the list of cached blocks. */
  readonly warm: string | undefined
  readonly warmBytesPerSecond: number
  /** What can be changed later; and the same as the caller gave it, because some defaults depend on other options. */
  readonly settings: Settings
  readonly live: LiveOptions
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

export const POLICIES: readonly PolicyName[] = ['adaptive', 'lru2']

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
  const { maxBlockSize } = options
  const { names: more, journals } = parseGroups(options.groups)
  if (maxBlockSize !== undefined) assertBlockSize(maxBlockSize, 'maxBlockSize')
  const least = maxBlockSize === undefined ? 1 : 0
  if (entries.length < least || entries.length > maxPartitions)
    refuse(
      `partitions has ${entries.length} entries; it must have ${least} to ${maxPartitions}, which is maxPartitions`,
    )
  const used = [...new Set([...entries.map(([, partition]) => groupOf(partition)), ...more])]
  const groups = used.length === 0 ? [''] : used
  const partitions = entries.map(([name, partition]) => parsePartition(name, partition, groups))
  const frameSize = Math.max(maxBlockSize ?? 0, ...partitions.map(({ blockSize }) => blockSize))
  if (maxBlockSize !== undefined && frameSize > maxBlockSize)
    refuse(`maxBlockSize is ${maxBlockSize}; a partition has blocks of ${frameSize} bytes`)
  const { policy = 'adaptive', threads = 64, traceEntries = 0, traceBlocks = true } = options
  if (!POLICIES.includes(policy)) refuse(`policy is ${show(policy)}; it must be ${POLICIES.join(' or ')}`)
  if (!Number.isInteger(threads) || threads < 1 || threads > THREADS_MAX) {
    refuse(`threads is ${show(threads)}; it must be 1 to ${THREADS_MAX}`)
  }
  const memoryBytes = parseSize(options.memory, 'memory')
  const memoryMaxBytes =
    options.memoryMax === undefined ? memoryBytes : parseSize(options.memoryMax, 'memoryMax')
  if (memoryMaxBytes < memoryBytes)
    refuse(
      `memoryMax is ${show(options.memoryMax)}; it must be at least memory, which is ${show(options.memory)}`,
    )
  const writeBytes = parseSize(options.writeBytes ?? WRITE_BYTES_DEFAULT, 'writeBytes')
  if (writeBytes < BLOCK_SIZE_MIN || writeBytes > WRITE_BYTES_MAX)
    refuse(`writeBytes is ${show(options.writeBytes)}; it must be 512 to ${WRITE_BYTES_MAX} bytes`)
  if (
    !Number.isInteger(traceEntries) ||
    traceEntries < 0 ||
    traceEntries > 2 ** 20 ||
    (traceEntries & (traceEntries - 1)) !== 0
  ) {
    refuse(`traceEntries is ${show(traceEntries)}; it must be 0 or a power of two up to 1048576`)
  }
  if (typeof traceBlocks !== 'boolean')
    refuse(`traceBlocks is ${show(traceBlocks)}; it must be true or false`)
  const warmBytesPerSecond = parseSize(options.warmBytesPerSecond ?? 2 ** 26, 'warmBytesPerSecond')
  if (warmBytesPerSecond === 0) refuse('warmBytesPerSecond is 0; it must be at least 1 byte per second')
  return {
    memoryBytes,
    memoryMaxBytes,
    frameSize,
    partitions,
    maxPartitions,
    groups,
    journals,
    writeOrder: parseWriteOrder(options.writeOrder ?? ['data', 'directory', 'trailer']),
    policy,
    threads,
    writeBytes,
    traceEntries,
    traceBlocks,
    settings: parseSettings(options),
    live: Object.fromEntries(LIVE.map((name) => [name, options[name]])),
    warm: options.warm === undefined ? undefined : parseWarm(options.warm),
    warmBytesPerSecond,
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

/** The path of a list of cached blocks. @throws ERR_DCACHE_BAD_OPTION */
export function parseWarm(path: unknown): string {
  if (typeof path !== 'string' || path === '') refuse(`warm is ${show(path)}; it must be the name of a file`)
  return resolve(path)
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
  assertBlockSize(blockSize, `${what}: blockSize`)
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

function assertBlockSize(blockSize: number, what: string): void {
  const isPowerOfTwo = Number.isInteger(blockSize) && (blockSize & (blockSize - 1)) === 0
  if (!isPowerOfTwo || blockSize < BLOCK_SIZE_MIN || blockSize > BLOCK_SIZE_MAX)
    refuse(
      `${what} is ${show(blockSize)}; it must be a power of two from 512 to 65536 bytes`,
      'ERR_DCACHE_BAD_BLOCK_SIZE',
    )
}

/** The group of a partition. A partition that is not an object, which is refused later, gets the default. */
const groupOf = (options: PartitionOptions | null | undefined): string => options?.group ?? ''

const isList = Array.isArray as (value: unknown) => boolean

function parseWriteOrder(writeOrder: readonly string[]): readonly string[] {
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
export const LOANS_FROM = 64

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
  const blocks = blocksIn(config.memoryMaxBytes, frameSize, spares)
  if (frames - spares < 2) {
    const least = (2 * groups.length + 2) * frameSize
    refuse(
      `memory is ${config.memoryBytes} bytes; ${groups.length} group(s) with blocks of ${frameSize} bytes need at least ${least} bytes`,
      'ERR_DCACHE_MEMORY',
    )
  }
  if (blocks > 2 ** 29)
    refuse(
      `memoryMax is ${config.memoryMaxBytes} bytes, or ${blocks} blocks; the limit is 2^29 blocks; use less memory or larger blocks`,
      'ERR_DCACHE_MEMORY',
    )
  // One more for each journal, so that a record does not wait behind writes in place.
  const jobs = config.maxPartitions + config.journals.size
  const writers = Math.min(jobs, WRITERS_MAX, SLOTS_MAX - 3 - config.threads)
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
    ghostWords: ghostWordsOf(config.policy, blocks),
  }
  const direct = partitions.find((partition) => partition.direct)
  if (direct && !mayBeAligned(layoutOf(geometry).totalBytes)) {
    refuse(
      `partition '${direct.name}': direct I/O needs page-aligned blocks, which a cache of more than 4 GiB in all does not have; memoryMax is ${config.memoryMaxBytes} bytes; use less memory, or open the partition without direct`,
      'ERR_DCACHE_UNSUPPORTED',
    )
  }
  return geometry
}

/** How many blocks a pool of so many bytes holds. */
export const blocksIn = (memoryBytes: number, frameSize: number, spares: number): number =>
  Math.floor(memoryBytes / frameSize) - spares

/** With fewer frames a partition could hardly be used. */
const FRAMES_LEAST = 8

/** The share of all frames that a partition may have at most; 0: no limit. `frames`: those in use. */
export function shareOf({ share }: PartitionConfig, frames: number): number {
  return share === undefined ? 0 : Math.min(1, Math.max(share, FRAMES_LEAST / frames))
}
