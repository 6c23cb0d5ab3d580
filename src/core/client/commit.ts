/**
 * `commit`: several changed guards of a group, released at one moment. All arguments are checked before anything is released;
 * from then on nothing can fail (changes/release.ts, `releaseTogether`).
 */
import { CacheError } from '../../shared/errors.js'
import { show } from '../../shared/values.js'
import { TRACE } from '../../shared/trace.js'
import { releaseTogether } from '../changes/release.js'
import type { BlockGuard } from '../../shared/interface.js'
import type { Context } from '../context.js'
import { Guard, type Hold, late } from './guard.js'
import { Group } from '../../shared/words.js'

/** See CacheClient.commit. @throws ERR_DCACHE_BAD_OPTION, _COMMIT, _GUARD_MODE, _GUARD_RELEASED */
export function commit(context: Context, guards: readonly unknown[]): void {
  if (guards.length === 0)
    throw new CacheError(
      'ERR_DCACHE_BAD_OPTION',
      'commit was called without a guard; pass the guards of the blocks that change together',
    )
  const holds = guards.map((guard, i) => holdOf(context, guard, i))
  assertOfOneGroup(holds)
  assertFits(context, holds)
  assertDifferent(holds)
  commitHolds(context, holds)
}

/** Releases checked guards. @requires guards of this thread, marked, held, of one group, each of another block */
function commitHolds(context: Context, holds: readonly Hold[]): void {
  const [first, second] = holds
  if (first === undefined) return
  if (second === undefined) {
    first.guard.release()
    return
  }
  for (const { guard, partition, block, writeClass } of holds) {
    if (context.tracesBlocks)
      context.tracer.record(TRACE['block.release'], partition.view.index, block, writeClass)
    Guard.end(guard)
  }
  const changes = holds.map(({ frame, writeClass }) => ({ frame, released: writeClass }))
  releaseTogether(context, first.partition.view.group, changes)
  for (const { entry } of holds) context.slot.returnEntry(entry)
}

/** Commits those of a thread's guards that are marked, at one moment; then releases the others. Leaves out what is released. */
export function commitMarked(context: Context, guards: readonly BlockGuard[]): void {
  const holds = held(guards)
  const marked = holds.filter(({ writeClass }) => writeClass > 0)
  if (marked.length > 0) assertFits(context, marked)
  commitHolds(context, marked)
  for (const { guard, writeClass } of holds) if (writeClass === 0) guard.release()
}

/** Discards those of the guards that are held. */
export function discardAll(guards: readonly BlockGuard[]): void {
  for (const { guard } of held(guards)) guard.discard()
}

const held = (guards: readonly BlockGuard[]): Hold[] =>
  guards.map((guard) => Guard.holdOf(guard)!).filter(({ frame }) => frame >= 0)

/** What the i-th argument holds. */
function holdOf(context: Context, guard: unknown, i: number): Hold {
  const hold = Guard.holdOf(guard)
  if (hold === undefined)
    throw new CacheError(
      'ERR_DCACHE_BAD_OPTION',
      `argument ${i + 1} of commit is ${show(guard)}; it must be a guard that this client has acquired`,
    )
  if (hold.frame < 0) throw late(hold.guard, 'it was committed')
  if (hold.partition.context !== context)
    throw refusal(`${text(hold)} was acquired by another client; each client commits its own guards`)
  if (hold.isRead)
    throw new CacheError(
      'ERR_DCACHE_GUARD_MODE',
      `${text(hold)} was acquired to read; acquire a block with 'modify' or 'overwrite' to commit it`,
    )
  if (hold.writeClass === 0)
    throw refusal(`${text(hold)} is not marked; call markDirty first, or release it without commit`)
  return hold
}

function assertOfOneGroup(holds: readonly Hold[]): void {
  const first = holds[0]!
  const other = holds.find(({ partition }) => partition.view.group !== first.partition.view.group)
  if (other !== undefined)
    throw refusal(`${text(first)} and ${text(other)} are in different groups; commit the blocks of one group`)
}

/** What is committed together is in one record. */
function assertFits({ words, arena, groups, journals }: Context, holds: readonly Hold[]): void {
  const { group } = holds[0]!.partition.view
  const most = words[arena.groupAt(group) + Group.recordMax]!
  if (most === 0 || holds.length <= most) return
  throw refusal(
    `${holds.length} blocks are more than one half of the journal ${journals[group]?.path} of group '${groups[group]}' holds, ` +
      `which is ${most}; commit fewer, or open the cache with a larger journal.size`,
  )
}

function assertDifferent(holds: readonly Hold[]): void {
  const seen = new Set<Guard>()
  for (const hold of holds) {
    if (seen.has(hold.guard)) throw refusal(`${text(hold)} was passed twice; pass each guard once`)
    seen.add(hold.guard)
  }
}

const text = ({ block, partition }: Hold): string => `the guard of block ${block} of '${partition.name}'`

const refusal = (why: string): CacheError =>
  new CacheError('ERR_DCACHE_COMMIT', `nothing was committed: ${why}`)
