/**
 * A partition as one thread sees it: the public calls on blocks and byte ranges. Each call tries the hit path first. If that
 * does not succeed, it runs the slow path, which blocks or awaits.
 */
import { show } from '../../shared/values.js'
import { CacheError } from '../../shared/errors.js'
import type { BlockGuard, Mode } from '../../shared/interface.js'
import type { AcquireOptions, WaitOptions } from '../../shared/options.js'
import { keyLowOf, keyHighOf } from '../../shared/key.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Deadline } from '../../shared/wait.js'
import { runSync, type Slow } from '../../shared/wait.js'
import { Breath } from './breath.js'
import { acquireSlow, missSync } from '../blocks/acquire.js'
import { runCall } from './call.js'
import { assertTimeout, deadlineOf, rangeOf, throwIfAborted } from './call-options.js'
import { INSPECT, nameText } from './describe.js'
import { latchHit } from '../blocks/hit.js'
import type { GuardOwner, HitPath } from './guard-owner.js'
import { How } from './how.js'
import type { Context, PartitionView } from '../context.js'
import { assertStanding } from '../standing.js'
import { find } from '../blocks/directory.js'
import { forget } from '../blocks/forget.js'
import { guardOf, howOf } from './guard.js'
import type { Range } from '../changes/undo.js'
import { giveHint } from '../prefetch/hints.js'
import { helpReader } from '../blocks/fill.js'
import type { MissPath } from '../blocks/miss-path.js'
import { RangeRead } from './range-read.js'
import { RangeWrites } from './range-write.js'
import type { Request } from '../blocks/request.js'
import { assertBlock, assertBlocks, assertBytes } from './ranges.js'
import { changeSize } from './size.js'
import { ReadAhead, windowMax } from '../blocks/read-ahead.js'
import { Purpose } from '../blocks/victims.js'
import { PartitionCounter } from '../../shared/counter-words.js'

const MODES: readonly string[] = ['read', 'modify', 'overwrite'] satisfies Mode[]

export class PartitionClient implements GuardOwner {
  readonly name: string
  readonly blockSize: number
  readonly readOnly: boolean
  /** These three are for the partition's guards. They are not part of the public interface. */
  readonly context: Context
  readonly view: PartitionView
  readonly hits: HitPath
  readonly #misses: MissPath
  readonly #whole: Range
  /** The upper key word of blocks below 2^32. */
  readonly #keyHigh: number
  readonly #ahead: ReadAhead
  readonly #writes: RangeWrites

  constructor(context: Context, view: PartitionView, hits: HitPath, misses: MissPath) {
    this.context = context
    this.view = view
    this.hits = hits
    this.#misses = misses
    this.name = view.name
    this.blockSize = view.blockSize
    this.readOnly = view.readOnly
    this.#whole = { start: 0, length: view.blockSize }
    this.#keyHigh = keyHighOf(view.index, 0)
    this.#ahead = new ReadAhead(
      () => view.blocks,
      () => windowMax(view.framesMax, context.readAheadBytes, view.blockSize),
      (block, count) => {
        giveHint(context, view, block, count)
      },
    )
    this.#writes = new RangeWrites(context, view, hits, this.#ahead)
  }

  /** The number of blocks at this moment. */
  get blocks(): number {
    return this.view.look()
  }

  acquireSync(block: number, mode: Mode, options?: AcquireOptions): BlockGuard {
    return (
      this.#hit(block, mode, options, How.SYNC) ??
      this.#miss(block, mode) ??
      runSync(this.#slow(block, mode, options, How.SYNC), this.context.mayBlock)
    )
  }

  async acquire(block: number, mode: Mode, options?: AcquireOptions): Promise<BlockGuard> {
    throwIfAborted(options)
    return (
      this.#hit(block, mode, options, 0) ??
      (await runCall(this.context, this.#slow(block, mode, options, 0), options?.signal))
    )
  }

  tryAcquire(block: number, mode: Mode): BlockGuard | undefined {
    const guard = this.#hit(block, mode, undefined, 0)
    if (guard !== undefined) return guard
    const { context } = this
    assertStanding(context, this.view, block)
    context.slot.assertAttached()
    if (context.slot.areAllHeld) throw context.slot.noEntry()
    return undefined
  }

  readSync(target: Uint8Array, position: number, wait?: WaitOptions): void {
    if (this.#copyOne(target, position, wait)) return
    const range = this.#rangeRead(target, position)
    const { mayBlock } = this.context
    if (mayBlock && range.runNow()) return
    const deadline = deadlineOf(wait)
    // If the thread may not block, the call fails at the first absent block; filling runs would evict more than one block for
    // that.
    runSync(
      range.run(mayBlock, (block) => this.acquireUntil(block, 'read', undefined, deadline, How.SYNC)),
      mayBlock,
    )
  }

  async read(target: Uint8Array, position: number, wait?: WaitOptions): Promise<void> {
    throwIfAborted(wait)
    if (this.#copyOne(target, position, wait)) return
    const range = this.#rangeRead(target, position)
    const deadline = deadlineOf(wait)
    await runCall(
      this.context,
      range.run(true, (block) => this.acquireUntil(block, 'read', undefined, deadline, 0), new Breath()),
      wait?.signal,
    )
  }

  writeSync(source: Uint8Array, position: number, writeClass?: string, wait?: WaitOptions): void {
    this.#assertWritable()
    if (this.#writes.oneNow(source, position, writeClass, wait)) return
    const deadline = deadlineOf(wait)
    this.#writes.allSync(source, position, writeClass, (block, mode, range) =>
      this.acquireUntil(block, mode, range, deadline, How.SYNC),
    )
  }

  async write(source: Uint8Array, position: number, writeClass?: string, wait?: WaitOptions): Promise<void> {
    throwIfAborted(wait)
    this.#assertWritable()
    const deadline = deadlineOf(wait)
    const acquire = (block: number, mode: Mode, range: Range | undefined) =>
      this.acquireUntil(block, mode, range, deadline, 0)
    const writes = this.#writes.all(source, position, writeClass, 0, acquire, new Breath())
    await runCall(this.context, writes, wait?.signal)
  }

  prefetch(block: number, count: number): void {
    assertBlocks(this.view, block, count)
    assertStanding(this.context, this.view, block)
    this.context.slot.assertAttached()
    giveHint(this.context, this.view, block, count)
  }

  forget(block: number, count: number): void {
    assertBlocks(this.view, block, count)
    this.#assertWritable()
    assertStanding(this.context, this.view, block)
    this.context.slot.assertAttached()
    forget(this.context, this.view, block, count)
  }

  async resize(blocks: number, wait?: WaitOptions): Promise<void> {
    await changeSize(this.context, this.view, 'resize', blocks, wait)
  }

  async extend(count: number, wait?: WaitOptions): Promise<number> {
    return changeSize(this.context, this.view, 'extend', count, wait)
  }

  /** Acquires a block of several: of a range, or of an update (update.ts). Not part of the public interface. */
  *acquireUntil(
    block: number,
    mode: Mode,
    range: Range | undefined,
    deadline: Deadline,
    sync: number,
  ): Slow<BlockGuard> {
    return this.#hit(block, mode, range, sync) ?? (yield* this.#slow(block, mode, range, sync, deadline))
  }

  toJSON(): object {
    const { name, blockSize, blocks, readOnly } = this
    return { partition: name, blockSize, blocks, readOnly }
  }

  [INSPECT](): string {
    const only = this.readOnly ? ', read-only' : ''
    return `Partition { ${nameText(this.name)}, ${this.blocks} blocks of ${this.blockSize} bytes${only} }`
  }

  /** Acquires the block if that is possible without waiting. */
  #hit(block: number, mode: Mode, options: AcquireOptions | undefined, sync: number): BlockGuard | undefined {
    if (options?.timeoutMs !== undefined) assertTimeout(options.timeoutMs)
    return mode === 'read' ? this.#readHit(block, sync) : this.#changeHit(block, mode, options, sync)
  }

  #readHit(block: number, sync: number): BlockGuard | undefined {
    if (!(block >= 0 && block < this.view.blocks && Number.isInteger(block))) assertBlock(this.view, block)
    const guard = this.hits.read(this, this.#keyHighOf(block), block, sync)
    if (guard !== undefined && block === this.#ahead.marker) this.#ahead.reached()
    return guard
  }

  #changeHit(
    block: number,
    mode: Mode,
    options: AcquireOptions | undefined,
    sync: number,
  ): BlockGuard | undefined {
    const { context, view } = this
    assertBlock(view, block)
    this.#assertChange(mode)
    const range = options !== undefined && mode === 'modify' ? rangeOf(this.blockSize, options) : this.#whole
    if (context.slot.isFull) return undefined
    const entry = context.slot.takeEntry()
    const frame = latchHit(context, view, this.#keyHighOf(block), block | 0, range)
    if (frame < 0) {
      context.slot.returnEntry(entry)
      return undefined
    }
    this.hits.used(view, frame)
    if (block === this.#ahead.marker) this.#ahead.reached()
    return this.#changeGuard(block, howOf(mode) | sync, frame, entry)
  }

  #keyHighOf(block: number): number {
    return block < 2 ** 32 ? this.#keyHigh : keyHighOf(this.view.index, block)
  }

  /** Acquires an absent block to read, if no other thread has to be waited for. Reads from the disk. */
  #miss(block: number, mode: Mode): BlockGuard | undefined {
    const { context } = this
    if (mode !== 'read' || !context.mayBlock) return undefined
    context.assertOpen()
    const entry = context.slot.takeEntry()
    const frame = this.#misses.take(
      this.view,
      keyHighOf(this.view.index, block),
      keyLowOf(block),
      Purpose.USE,
    )
    if (frame < 0) {
      context.slot.returnEntry(entry)
      helpReader(context, this.#misses, this.view, this.#ahead, block)
      return undefined
    }
    try {
      missSync(context, this.#misses, this.view, block, frame, entry, this.#ahead.missed(block))
    } catch (error) {
      context.slot.returnEntry(entry)
      throw error
    }
    return guardOf(this.context, this, block, frame, entry, How.READ | How.SYNC)
  }

  *#slow(
    block: number,
    mode: Mode,
    options: AcquireOptions | undefined,
    sync: number,
    deadline = deadlineOf(options),
  ): Slow<BlockGuard> {
    const { context } = this
    context.assertOpen()
    const range = options !== undefined && mode === 'modify' ? rangeOf(this.blockSize, options) : this.#whole
    const keyHigh = keyHighOf(this.view.index, block)
    if (mode !== 'overwrite') this.#missed(block, keyHigh)
    const request: Request = {
      partition: this.view,
      block,
      keyHigh,
      keyLow: keyLowOf(block),
      mode,
      range,
      entry: -1,
      deadline,
      isSync: sync !== 0,
    }
    const frame = yield* acquireSlow(context, request)
    return mode === 'read'
      ? guardOf(this.context, this, block, frame, request.entry, How.READ | sync)
      : this.#changeGuard(block, howOf(mode) | sync, frame, request.entry)
  }

  #changeGuard(block: number, how: number, frame: FrameIndex, entry: number): BlockGuard {
    const guard = guardOf(this.context, this, block, frame, entry, how)
    this.view.count(PartitionCounter.writes)
    if ((how & ~How.SYNC) === How.OVERWRITE) this.view.count(PartitionCounter.overwrites)
    return guard
  }

  /** Copies a range that lies in one block without a latch; returns false, having copied nothing, if that is not possible. */
  #copyOne(target: Uint8Array, position: number, wait: WaitOptions | undefined): boolean {
    const { context, view, blockSize } = this
    assertBytes(view, target, position)
    if (wait?.timeoutMs !== undefined) assertTimeout(wait.timeoutMs)
    const block = Math.floor(position / blockSize)
    const start = position - block * blockSize
    if (start + target.length > blockSize || block >= view.blocks) return false
    context.slot.assertAttached()
    const piece = { start, length: target.length, at: 0 }
    if (!this.hits.copy(view, this.#keyHighOf(block), keyLowOf(block), piece, target)) return false
    if (block === this.#ahead.marker) this.#ahead.reached()
    return true
  }

  #rangeRead(target: Uint8Array, position: number): RangeRead {
    return new RangeRead(this.context, this.view, this.hits, this.#misses, this.#ahead, target, position)
  }

  #assertChange(mode: Mode): void {
    if (!MODES.includes(mode))
      throw new CacheError(
        'ERR_DCACHE_BAD_OPTION',
        `mode is ${show(mode)}; it must be 'read', 'modify' or 'overwrite'`,
      )
    this.#assertWritable()
  }

  #assertWritable(): void {
    if (this.readOnly)
      throw new CacheError(
        'ERR_DCACHE_READ_ONLY',
        `partition '${this.name}' is read-only; open it without readOnly to change it`,
      )
  }

  /** Reports a miss to read-ahead, if the block is absent. */
  #missed(block: number, keyHigh: number): void {
    if (find(this.context, keyHigh, keyLowOf(block)) < 0) this.#ahead.missed(block)
  }
}
