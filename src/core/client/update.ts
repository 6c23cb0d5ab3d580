/**
 * `update`: acquires several blocks, calls a function with their guards, and commits what it has marked; or discards all if it
 * fails. Blocks are acquired in the order of their keys, so that two updates never wait for each other in a cycle.
 */
import { CacheError } from '../../shared/errors.js'
import { show } from '../../shared/values.js'
import type { BlockGuard } from '../../shared/interface.js'
import type { WaitOptions } from '../../shared/options.js'
import { type Deadline, runSync, type Slow } from '../../shared/wait.js'
import type { Context } from '../context.js'
import { runCall } from './call.js'
import { deadlineOf, throwIfAborted } from './call-options.js'
import { commitMarked, discardAll } from './commit.js'
import { How } from './how.js'
import { PartitionClient } from './partition.js'
import { assertBlock } from './ranges.js'

/** A block that an update was asked for. */
interface Wanted {
  readonly partition: PartitionClient
  readonly block: number
}

type Named = (name: string) => PartitionClient
export type Body<T> = (guards: readonly BlockGuard[]) => T

/** See CacheClient.update. `named` looks partitions up. */
export async function update<T>(
  context: Context,
  named: Named,
  blocks: unknown,
  fn: Body<T | Promise<T>>,
  options: WaitOptions | undefined,
): Promise<T> {
  throwIfAborted(options)
  const wanted = wantedOf(context, named, blocks, fn)
  const guards = await runCall(context, acquireAll(wanted, deadlineOf(options), 0), options?.signal)
  let result
  try {
    result = await fn([...guards])
    commitMarked(context, guards)
  } catch (error) {
    discardAll(guards)
    throw error
  }
  return result
}

/** See CacheClient.updateSync. */
export function updateSync<T>(
  context: Context,
  named: Named,
  blocks: unknown,
  fn: Body<T>,
  options: WaitOptions | undefined,
): T {
  const wanted = wantedOf(context, named, blocks, fn)
  const guards = runSync(acquireAll(wanted, deadlineOf(options), How.SYNC), context.mayBlock)
  let result
  try {
    result = fn([...guards])
    assertNoPromise(result)
    commitMarked(context, guards)
  } catch (error) {
    discardAll(guards)
    throw error
  }
  return result
}

/** Acquires the blocks by their keys; returns the guards as they were asked for. If it throws, nothing is held. */
function* acquireAll(wanted: readonly Wanted[], deadline: Deadline, sync: number): Slow<BlockGuard[]> {
  const byKey = wanted.map((_, i) => i)
  byKey.sort((a, b) => compareKeys(wanted[a]!, wanted[b]!))
  const guards = new Array<BlockGuard>(wanted.length)
  try {
    for (const i of byKey) {
      const { partition, block } = wanted[i]!
      guards[i] = yield* partition.acquireUntil(block, 'modify', undefined, deadline, sync)
    }
    return guards
  } catch (error) {
    guards.forEach((guard) => {
      guard.release()
    })
    throw error
  }
}

const compareKeys = (a: Wanted, b: Wanted): number =>
  a.partition.view.index - b.partition.view.index || a.block - b.block

/** @throws ERR_DCACHE_BAD_OPTION, _COMMIT, _OUT_OF_RANGE, _UNKNOWN_PARTITION */
function wantedOf(context: Context, named: Named, blocks: unknown, fn: unknown): Wanted[] {
  if (!Array.isArray(blocks) || blocks.length === 0)
    throw refused(`blocks is ${show(blocks)}; it must be an array of [partition, block], 1 or more`)
  if (typeof fn !== 'function') throw refused(`fn is ${show(fn)}; it must be a function of the guards`)
  const wanted = blocks.map((pair: unknown, i) => wantedIn(context, named, pair, i))
  const [first] = wanted as [Wanted]
  const seen = new Set<string>()
  for (const { partition, block } of wanted) {
    const { index, group, name } = partition.view
    const key = `${index}:${block}`
    if (seen.has(key)) throw refused(`block ${block} of '${name}' is in blocks twice; name each block once`)
    seen.add(key)
    if (group !== first.partition.view.group)
      throw new CacheError(
        'ERR_DCACHE_COMMIT',
        `nothing was acquired: '${first.partition.name}' and '${name}' are in different groups; update the blocks of one group`,
      )
  }
  return wanted
}

function wantedIn(context: Context, named: Named, pair: unknown, i: number): Wanted {
  const [of, block] = Array.isArray(pair) && pair.length === 2 ? (pair as [unknown, unknown]) : []
  const partition = typeof of === 'string' ? named(of) : ofClient(context, of)
  if (partition === undefined)
    throw refused(
      `blocks[${i}] is ${show(pair)}; it must be [partition, block], with a partition of this client or its name`,
    )
  assertBlock(partition.view, block as number)
  return { partition, block: block as number }
}

const ofClient = (context: Context, of: unknown): PartitionClient | undefined =>
  of instanceof PartitionClient && of.context === context ? of : undefined

/** The blocks would be committed before an asynchronous function has changed them. */
function assertNoPromise(result: unknown): void {
  if (typeof (result as Partial<Promise<unknown>> | null | undefined)?.then === 'function')
    throw refused('fn returned a promise, and nothing was committed; await `update` instead')
}

const refused = (why: string): CacheError => new CacheError('ERR_DCACHE_BAD_OPTION', `update: ${why}`)
