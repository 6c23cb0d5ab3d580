/**
 * What the slow paths know of a call of acquire.
 */
import type { Mode } from '../../shared/interface.js'
import type { Deadline } from '../../shared/wait.js'
import type { PartitionView } from '../context.js'
import type { Range } from '../changes/images.js'

export interface Request {
  readonly partition: PartitionView
  readonly block: number
  /** The block's name: key.ts. */
  readonly keyHigh: number
  readonly keyLow: number
  readonly mode: Mode
  /** The bytes that a change may touch. */
  readonly range: Range
  /** The journal entry that the pin will have; -1 while the call has none (entry.ts). */
  entry: number
  readonly deadline: Deadline
  /** Whether the calling thread sleeps meanwhile: then a block that it holds itself can't become free. */
  readonly isSync: boolean
}
