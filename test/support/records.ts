// Whole records of a journal in memory, as a round writes them.

import type * as Record from '#dist/core/journal/record.js'
import {
  checksumOf,
  encodeHeader,
  type RecordIdentity,
  type RecordKeys,
  type RecordPartition,
  type RecordPlan,
} from '#dist/core/journal/record.js'

/** What an encoder is made of: the functions of the room, or those of a copy with a mistake. */
type Functions = Pick<typeof Record, 'checksumOf' | 'encodeHeader'>

/** Writes the header of a record in front of its images, which are in place already. */
export function encodeRecord(
  record: Uint8Array,
  identity: RecordIdentity,
  partitions: readonly RecordPartition[],
  keys: RecordKeys,
  plan: RecordPlan,
  functions: Functions = { checksumOf, encodeHeader },
): void {
  const checksums = Array.from(plan.positions, (position, i) => {
    const { blockSize } = partitions[keys.partitions[i]!]!
    return functions.checksumOf(record.subarray(position, position + blockSize))
  })
  const contents = { partitions, keys, plan }
  functions.encodeHeader(record.subarray(0, plan.headerBytes), identity.id, identity, contents, checksums)
}
