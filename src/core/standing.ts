/**
 * Whether a partition still stands: the engine is open, and so is the partition that a thread knows by this number. A thread
 * asks after it has the latch or a pin of a block; see engine-state.ts. The answer is one comparison, unless something has
 * changed since the thread asked last.
 */
import { load, loadInOrder } from '#atomics'
import { CacheError } from '../shared/errors.js'
import { generationIn, stateIn } from '../shared/partition-record.js'
import { EngineState, Header, Partition, PartitionState } from '../shared/words.js'
import type { Context, PartitionView } from './context.js'

/** False also if something else has changed: then `assertStanding` tells. */
export const isStanding = ({ words }: Context, partition: PartitionView): boolean =>
  loadInOrder(words, Header.standing) === partition.standingSeen

/**
 * Why a block may not be used; undefined if it may.
 * @returns ERR_DCACHE_CLOSED, _ORPHANED, _WORKER_DIED, _UNKNOWN_PARTITION, _OUT_OF_RANGE
 */
export function standingError(
  context: Context,
  partition: PartitionView,
  block: number,
): CacheError | undefined {
  const { words, arena } = context
  const seen = load(words, Header.standing)
  if (load(words, Header.state) !== EngineState.OPEN) return context.notOpen()
  const standing = load(words, arena.partitionAt(partition.index) + Partition.standing)
  const isSame = generationIn(standing) === partition.generation
  if (!isSame || stateIn(standing) !== PartitionState.OPEN) return droppedError(partition)
  if (block >= partition.look()) return beyondError(partition, block)
  partition.standingSeen = seen
  return undefined
}

/** @throws what `standingError` returns */
export function assertStanding(context: Context, partition: PartitionView, block: number): void {
  if (isStanding(context, partition)) return
  const error = standingError(context, partition, block)
  if (error !== undefined) throw error
}

const droppedError = ({ name }: PartitionView): CacheError =>
  new CacheError('ERR_DCACHE_UNKNOWN_PARTITION', `partition '${name}' was dropped`)

const beyondError = ({ name, blocks }: PartitionView, block: number): CacheError =>
  new CacheError(
    'ERR_DCACHE_OUT_OF_RANGE',
    `block ${block} is not in partition '${name}' any more, which has blocks 0 to ${blocks - 1}`,
  )
