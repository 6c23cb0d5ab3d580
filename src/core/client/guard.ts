/**
 * A guard: one pinned or latched block, for one release. Guards are not reused: a late release of an old guard must not
 * release the block of another. Every access creates a guard, so it is kept small, and has no private methods, each of which
 * would cost a field.
 */
import { CacheError } from '../../shared/errors.js'
import { show } from '../../shared/values.js'
import type { BlockGuard, Mode } from '../../shared/interface.js'
import type { FrameIndex } from '../../shared/indices.js'
import { TRACE } from '../../shared/trace.js'
import { INSPECT, nameText } from './describe.js'
import { How } from './how.js'
import type { Context } from '../context.js'
import { isStanding, standingError } from '../standing.js'
import type { GuardOwner } from './guard-owner.js'
import { discardChange, releaseChanged, releaseUnchanged } from '../changes/release.js'

/** Comparisons instead of a table: looking up a property by a variable name is slow. */
export const howOf = (mode: Mode): number =>
  mode === 'read' ? How.READ : mode === 'modify' ? How.MODIFY : How.OVERWRITE

/** What a guard holds. */
export interface Hold {
  readonly guard: Guard
  readonly partition: GuardOwner
  readonly block: number
  /** -1 if the guard is released. */
  readonly frame: FrameIndex
  readonly entry: number
  /** 1 + the index in writeOrder of the class that it was marked dirty with, 0 if it was not. */
  readonly writeClass: number
  readonly isRead: boolean
}

export class Guard implements BlockGuard {
  readonly partition: GuardOwner
  readonly block: number
  /** -1 once it is released. */
  #frame: FrameIndex
  readonly #entry: number
  /** See How. */
  #how: number

  constructor(partition: GuardOwner, block: number, frame: FrameIndex, entry: number, how: number) {
    this.partition = partition
    this.block = block
    this.#frame = frame
    this.#entry = entry
    this.#how = how
  }

  /** For commit.ts: what a guard holds; undefined for anything but a guard of this copy of the package. */
  static holdOf(guard: unknown): Hold | undefined {
    if (typeof guard !== 'object' || guard === null || !(#frame in guard)) return undefined
    const { partition, block } = guard
    const writeClass = guard.#how >>> How.CLASS_SHIFT
    const isRead = (guard.#how & How.MODE) === How.READ
    return { guard, partition, block, frame: guard.#frame, entry: guard.#entry, writeClass, isRead }
  }

  /** For commit.ts: the guard holds nothing any more. @requires that its frame and entry are released by the caller */
  static end(guard: Guard): void {
    guard.#frame = -1
  }

  get data(): Uint8Array {
    const { partition } = this
    if (this.#frame < 0) throw late(this, 'its data was read')
    return partition.context.view(partition.view, this.#frame)
  }

  get bytes(): Uint8Array {
    if (this.#frame < 0) throw late(this, 'its bytes were read')
    return this.partition.hits.bytes(this.#frame)
  }

  get offset(): number {
    if (this.#frame < 0) throw late(this, 'its offset was read')
    return this.partition.hits.offset(this.#frame)
  }

  markDirty(writeClass?: string): void {
    if (this.#frame < 0) throw late(this, 'it was marked dirty')
    const { partition, block } = this
    if ((this.#how & How.MODE) === How.READ) {
      throw new CacheError(
        'ERR_DCACHE_GUARD_MODE',
        `block ${block} of '${partition.name}' was acquired to read; markDirty needs 'modify' or 'overwrite'`,
      )
    }
    this.#how =
      (this.#how & (How.MODE | How.SYNC)) | (classNumber(partition.context, writeClass) << How.CLASS_SHIFT)
  }

  discard(): void {
    const frame = this.#frame
    if (frame < 0) throw late(this, 'it was discarded')
    this.#frame = -1
    const { context, view, hits } = this.partition
    if ((this.#how & How.MODE) === How.READ) {
      hits.unpin(frame, this.#entry)
      return
    }
    discardChange(context, view.group, frame, maySleep(context, this.#how))
    context.slot.returnEntry(this.#entry)
  }

  release(): void {
    const frame = this.#frame
    if (frame < 0) throw late(this, 'it was released')
    this.#frame = -1
    if ((this.#how & How.MODE) === How.READ && !this.partition.context.tracesBlocks) {
      this.partition.hits.unpin(frame, this.#entry)
      return
    }
    releaseSlow(this.partition, this.block, frame, this.#entry, this.#how)
  }

  toJSON(): object {
    const { partition, block } = this
    return { partition: partition.name, block, mode: modeText(this.#how), isReleased: this.#frame < 0 }
  }

  [INSPECT](): string {
    const { partition, block } = this
    const state = this.#frame < 0 ? 'released' : modeText(this.#how)
    return `BlockGuard { block ${block} of ${nameText(partition.name)}, ${state} }`
  }

  /** For `using`: releases the guard, unless it is released already. */
  [Symbol.dispose](): void {
    if (this.#frame >= 0) this.release()
  }
}

const MODES = new Map<number, Mode>([
  [How.READ, 'read'],
  [How.MODIFY, 'modify'],
  [How.OVERWRITE, 'overwrite'],
])

const modeText = (how: number): string => MODES.get(how & How.MODE) ?? ''

/** Every release other than the untraced release of a read guard. */
function releaseSlow(
  { context, view, hits }: GuardOwner,
  block: number,
  frame: FrameIndex,
  entry: number,
  how: number,
): void {
  const writeClass = how >>> How.CLASS_SHIFT
  if (context.tracesBlocks) context.tracer.record(TRACE['block.release'], view.index, block, writeClass)
  if ((how & How.MODE) === How.READ) {
    hits.unpin(frame, entry)
    return
  }
  if (writeClass === 0) releaseUnchanged(context, view.group, frame, maySleep(context, how))
  else releaseChanged(context, view.group, frame, writeClass, maySleep(context, how))
  context.slot.returnEntry(entry)
}

/**
 * Makes a guard. Checks the standing once more: a cache that began to close after the latch was taken, or a partition that is
 * being dropped, must not get another holder.
 */
export function guardOf(
  context: Context,
  partition: GuardOwner,
  block: number,
  frame: FrameIndex,
  entry: number,
  how: number,
): Guard {
  const guard = new Guard(partition, block, frame, entry, how)
  if (!isStanding(context, partition.view)) assertStands(guard, context, partition)
  if (context.tracesBlocks)
    context.tracer.record(TRACE['block.acquire'], partition.view.index, block, how & ~How.SYNC)
  return guard
}

/** If the partition does not stand any more, releases the guard and throws. */
function assertStands(guard: Guard, context: Context, { view }: GuardOwner): void {
  const error = standingError(context, view, guard.block)
  if (error === undefined) return
  guard.release()
  throw error
}

const maySleep = (context: Context, how: number): boolean => (how & How.SYNC) !== 0 && context.mayBlock

export function late({ partition, block }: Guard, what: string): CacheError {
  return new CacheError(
    'ERR_DCACHE_GUARD_RELEASED',
    `the guard of block ${block} of '${partition.name}' was released before ${what}; acquire the block again`,
  )
}

/** 1 + the index in writeOrder; the first class if none is named. @throws ERR_DCACHE_UNKNOWN_CLASS */
export function classNumber(context: Context, writeClass: string | undefined): number {
  const place = writeClass === undefined ? 0 : context.writeOrder.indexOf(writeClass)
  if (place < 0) {
    throw new CacheError(
      'ERR_DCACHE_UNKNOWN_CLASS',
      `no write class ${show(writeClass)}; there are ${context.writeOrder.join(', ')}`,
    )
  }
  return place + 1
}
