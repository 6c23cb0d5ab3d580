/**
 * A call of acquire, as the slow paths see it.
 */
import type { Mode } from '../../shared/interface.js'
import type { Deadline } from '../../shared/wait.js'
import type { PartitionView } from '../context.js'
import type { Range } from '../changes/undo.js'

export interface Request {
  readonly partition: PartitionView
  readonly block: number
  /** The block's key; see key.ts. */
  readonly keyHigh: number
  readonly keyLow: number
  readonly mode: Mode
  /** The bytes that a change may touch. */
  readonly range: Range
  /** The journal entry for the pin; -1 while the call has none (entry.ts). */
  entry: number
  readonly deadline: Deadline
  /** Whether the calling thread blocks while it waits, so that a block that it holds itself cannot be released. */
  readonly isSync: boolean
}
