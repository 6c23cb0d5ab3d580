/**
 * An export: a partition of the cache under the name by which clients open it, with its size.
 */
import type { Partition } from '../index.js'
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
  readonly sizeBytes: number
}

export const exportOf = (partition: Partition): Export => ({
  name: partition.name,
  partition,
  sizeBytes: partition.blocks * partition.blockSize,
})

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
