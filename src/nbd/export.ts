/**
 * Exports: partitions of the cache under the names by which clients open them. They are looked up when a client asks, so that
 * it sees the partition and the size of that moment.
 */
import { CacheError, type CacheClient, type Partition } from '../index.js'
import {
  NBD_FLAG_CAN_MULTI_CONN,
  NBD_FLAG_HAS_FLAGS,
  NBD_FLAG_READ_ONLY,
  NBD_FLAG_SEND_CACHE,
  NBD_FLAG_SEND_DF,
  NBD_FLAG_SEND_FAST_ZERO,
  NBD_FLAG_SEND_FLUSH,
  NBD_FLAG_SEND_FUA,
  NBD_FLAG_SEND_TRIM,
  NBD_FLAG_SEND_WRITE_ZEROES,
} from './constants.js'

export interface Export {
  readonly name: string
  readonly partition: Partition
  /** What the client was told. The partition may have another size by now. */
  readonly sizeBytes: number
}

export const sizeOf = ({ blocks, blockSize }: Partition): number => blocks * blockSize

/** The exports of a thread. */
export class Exports {
  /** In the order of LIST. The first is the default export. */
  names: readonly string[]
  readonly #client: CacheClient

  constructor(client: CacheClient, names: readonly string[]) {
    this.#client = client
    this.names = names
  }

  /** For LIST. */
  get found(): string[] {
    return this.names.filter((name) => this.find(name) !== undefined)
  }

  /** The export with this name as it is now. The empty name selects the first. */
  find(name: string): Export | undefined {
    const chosen = name === '' ? this.names[0] : name
    if (chosen === undefined || !this.names.includes(chosen)) return undefined
    try {
      const partition = this.#client.partition(chosen)
      return { name: chosen, partition, sizeBytes: sizeOf(partition) }
    } catch (error) {
      // It was dropped.
      if (error instanceof CacheError && error.code === 'ERR_DCACHE_UNKNOWN_PARTITION') return undefined
      throw error
    }
  }
}

/**
 * The transmission flags. CAN_MULTI_CONN holds because all connections share one cache. FAST_ZERO requests are
 * understood and always refused, because zeros are written like any other bytes.
 */
export function flagsOf({ partition }: Export, isStructured: boolean): number {
  const flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE
  const reading = isStructured ? NBD_FLAG_SEND_DF : 0
  const writing = partition.readOnly
    ? NBD_FLAG_READ_ONLY
    : NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO
  return flags | reading | writing | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA
}
