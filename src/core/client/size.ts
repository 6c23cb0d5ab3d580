/**
 * The public calls that change the size of a partition. The owner carries them out; here the call is checked, and counted as one
 * that the thread has under way.
 */
import { show } from '../../shared/values.js'
import { CacheError } from '../../shared/errors.js'
import type { WaitOptions } from '../../shared/options.js'
import { DEFAULT_TIMEOUT_MS } from '../../shared/wait.js'
import type { Context, PartitionView } from '../context.js'
import { assertTimeout, throwIfAborted } from './call-options.js'

/** Sets the number of blocks, or adds to it; resolves to the number of blocks before. */
export async function changeSize(
  context: Context,
  partition: PartitionView,
  what: 'resize' | 'extend',
  blocks: number,
  wait: WaitOptions | undefined,
): Promise<number> {
  throwIfAborted(wait)
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = wait ?? {}
  assertTimeout(timeoutMs)
  if (!Number.isSafeInteger(blocks) || blocks < 1)
    throw new CacheError(
      'ERR_DCACHE_OUT_OF_RANGE',
      `the number of blocks is ${show(blocks)}; it must be 1 or more`,
    )
  const { slot } = context
  context.assertOpen()
  slot.assertAttached()
  slot.enterCall()
  try {
    return await context.resize(partition, what, blocks, timeoutMs)
  } finally {
    slot.leaveCall()
  }
}
