/**
 * Validates requests: the flags of each command, and ranges within the export.
 */
import * as nbd from './constants.js'
import { sizeOf } from './export.js'
import { beyondEnd, Refusal } from './failures.js'
import type { Agreement } from './handshake.js'
import type { Request } from './request-reader.js'

/** The flags that each command may have in addition to FUA, which all may have. */
const FLAGS: Readonly<Record<number, number>> = {
  [nbd.NBD_CMD_READ]: nbd.NBD_CMD_FLAG_DF,
  [nbd.NBD_CMD_WRITE]: 0,
  [nbd.NBD_CMD_FLUSH]: 0,
  [nbd.NBD_CMD_TRIM]: 0,
  [nbd.NBD_CMD_CACHE]: 0,
  [nbd.NBD_CMD_WRITE_ZEROES]: nbd.NBD_CMD_FLAG_NO_HOLE | nbd.NBD_CMD_FLAG_FAST_ZERO,
  [nbd.NBD_CMD_BLOCK_STATUS]: nbd.NBD_CMD_FLAG_REQ_ONE,
}

const WRITING: readonly number[] = [nbd.NBD_CMD_WRITE, nbd.NBD_CMD_TRIM, nbd.NBD_CMD_WRITE_ZEROES]

/** @throws Refusal */
export function assertServable(request: Request, agreement: Agreement): void {
  const { type, flags, offset, length } = request
  const { exported, isStructured, hasAllocation } = agreement
  const allowed = FLAGS[type]
  if (allowed === undefined) throw new Refusal(nbd.NBD_EINVAL, `command ${type} is not supported`)
  const isKnown = (flags & ~(allowed | nbd.NBD_CMD_FLAG_FUA)) === 0
  if (!isKnown || ((flags & nbd.NBD_CMD_FLAG_DF) !== 0 && !isStructured))
    throw new Refusal(nbd.NBD_EINVAL, `command ${type} does not support the flags ${flags}`)
  if (type === nbd.NBD_CMD_FLUSH) {
    if (offset === 0 && length === 0) return
    throw new Refusal(nbd.NBD_EINVAL, 'a flush must have offset 0 and length 0')
  }
  if (exported.partition.readOnly && WRITING.includes(type))
    throw new Refusal(nbd.NBD_EPERM, `export '${exported.name}' is read-only`)
  // A client that connected before the export grew keeps to the size that it was told.
  const sizeBytes = Math.min(exported.sizeBytes, sizeOf(exported.partition))
  if (offset + length > sizeBytes) {
    throw new Refusal(
      beyondEnd(type),
      `${length} bytes at ${offset} are not in export '${exported.name}', which has ${sizeBytes} bytes`,
    )
  }
  if (type === nbd.NBD_CMD_READ && length > nbd.MAX_PAYLOAD) {
    throw new Refusal(
      isStructured ? nbd.NBD_EOVERFLOW : nbd.NBD_EINVAL,
      `a read of ${length} bytes; the limit is ${nbd.MAX_PAYLOAD} bytes`,
    )
  }
  if (type === nbd.NBD_CMD_BLOCK_STATUS && (!hasAllocation || length === 0))
    throw new Refusal(nbd.NBD_EINVAL, 'no metadata context was selected, or the length is 0')
  // Zeros are written like any other bytes, so they take as long as a write.
  if ((flags & nbd.NBD_CMD_FLAG_FAST_ZERO) !== 0)
    throw new Refusal(nbd.NBD_ENOTSUP, 'zeros are not faster than other bytes here')
}
