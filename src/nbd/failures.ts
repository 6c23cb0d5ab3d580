/**
 * Maps errors of the cache to the error numbers of the protocol.
 */
import { CacheError } from '../index.js'
import {
  NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES,
  NBD_EINVAL,
  NBD_EIO,
  NBD_ENOSPC,
  NBD_EPERM,
  NBD_ESHUTDOWN,
} from './constants.js'

/** A request that the server refuses. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly error: number

  constructor(error: number, message: string) {
    super(message)
    this.error = error
  }
}

/** The specification maps these three to ENOSPC. */
const NO_SPACE: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT', 'EFBIG']

/** The error of a command that reaches beyond the end of the export, as the specification requires it. */
export const beyondEnd = (type: number): number =>
  type === NBD_CMD_WRITE || type === NBD_CMD_WRITE_ZEROES ? NBD_ENOSPC : NBD_EINVAL

/** The error of a command of this type that has failed. */
export function errorNumber(failure: unknown, type: number): number {
  if (failure instanceof Refusal) return failure.error
  if (!(failure instanceof CacheError)) return NBD_EIO
  switch (failure.code) {
    case 'ERR_DCACHE_READ_ONLY':
      return NBD_EPERM
    case 'ERR_DCACHE_OUT_OF_RANGE':
      return beyondEnd(type) // the export has shrunk since the request was checked
    case 'ERR_DCACHE_UNKNOWN_PARTITION':
    case 'ERR_DCACHE_CLOSED':
    case 'ERR_DCACHE_ORPHANED':
      return NBD_ESHUTDOWN
    default:
      return NO_SPACE.includes((failure.cause as NodeJS.ErrnoException | undefined)?.code)
        ? NBD_ENOSPC
        : NBD_EIO
  }
}
