/**
 * A partition as one thread sees it: the calls of the public interface on top of the cache's two paths. A hit goes
 * straight through; what is not a simple hit becomes a slow path, run by a thread that blocks or one that awaits.
 */
import { show } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'
import type { AcquireOptions, Mode, Partition, WaitOptions } from '../shared/interface.js'
import { EngineState, Header } from '../shared/layout.js'
import { COUNTER } from '../shared/slot.js'
import type { FrameIndex } from '../shared/struct.js'
import { TRACE } from '../shared/trace.js'
import { Deadline, runAsync, runSync, type Slow } from '../shared/wait.js'
import { acquireSlow } from './cache.js'
import { highOf, latchHit, lowOf, pinHit } from './hit.js'
import type { Core, PartitionView } from './core.js'
import { forget } from './forget.js'
import { classNumber, Guard } from './guard.js'
import type { Range } from './images.js'
import { assertBlock, assertBlocks, assertBytes, pieces } from './ranges.js'

const MODES: readonly string[] = ['read', 'modify', 'overwrite']

export class PartitionClient implements Partition {
  readonly name: string
  readonly blockSize: number
  readonly blocks: number
  readonly readOnly: boolean
  /** For the guards of this partition; not part of the interface. */
  readonly view: PartitionView
  readonly #core: Core
  readonly #whole: Range

  constructor(core: Core, view: PartitionView) {
    this.#core = core
    this.view = view
    this.name = view.name
    this.blockSize = view.blockSize
    this.blocks = view.blocks
    this.readOnly = view.readOnly
    this.#whole = { start: 0, length: view.blockSize }
  }

  acquireSync(block: number, mode: Mode, options?: AcquireOptions): Guard {
    return (
      this.#hit(block, mode, options, true) ??
      runSync(this.#slow(block, mode, options, true), this.#core.mayBlock)
    )
  }

  async acquire(block: number, mode: Mode, options?: AcquireOptions): Promise<Guard> {
    throwIfAborted(options)
    return (
      this.#hit(block, mode, options, false) ??
      (await runAsync(this.#slow(block, mode, options, false), options?.signal))
    )
  }

  tryAcquire(block: number, mode: Mode): Guard | undefined {
    return this.#hit(block, mode, undefined, false)
  }

  readSync(target: Uint8Array, position: number, wait?: WaitOptions): void {
    runSync(this.#read(target, position, wait, true), this.#core.mayBlock)
  }

  async read(target: Uint8Array, position: number, wait?: WaitOptions): Promise<void> {
    throwIfAborted(wait)
    await runAsync(this.#read(target, position, wait, false), wait?.signal)
  }

  writeSync(source: Uint8Array, position: number, writeClass?: string, wait?: WaitOptions): void {
    runSync(this.#write(source, position, writeClass, wait, true), this.#core.mayBlock)
  }

  async write(source: Uint8Array, position: number, writeClass?: string, wait?: WaitOptions): Promise<void> {
    throwIfAborted(wait)
    await runAsync(this.#write(source, position, writeClass, wait, false), wait?.signal)
  }

  /** A hint, which this version checks and does not follow. */
  prefetch(block: number, count: number): void {
    assertBlocks(this.view, block, count)
  }

  forget(block: number, count: number): void {
    assertBlocks(this.view, block, count)
    this.#assertWritable()
    this.#core.assertOpen()
    this.#core.slot.assertAttached()
    forget(this.#core, this.view, block, count)
  }

  /** The guard, if nothing has to be waited for. */
  #hit(block: number, mode: Mode, options: AcquireOptions | undefined, isSync: boolean): Guard | undefined {
    const core = this.#core
    if (!(block >= 0 && block < this.blocks && Number.isInteger(block))) assertBlock(this.view, block)
    if (mode !== 'read') this.#assertChange(mode)
    if (options?.timeoutMs !== undefined) assertTimeout(options.timeoutMs)
    const range = options === undefined ? this.#whole : this.#rangeOf(mode, options)
    const entry = core.slot.takeEntry()
    const [low, high] = [lowOf(block), highOf(block)]
    const frame =
      mode === 'read'
        ? pinHit(core, this.view.index, low, high, entry)
        : latchHit(core, this.view, low, high, range)
    if (frame < 0) {
      core.slot.giveEntry(entry)
      return undefined
    }
    core.slot.count(COUNTER.hits)
    core.policy.note(frame)
    if (core.policy.notesDue) this.#drain()
    return this.#guard(block, mode, frame, entry, isSync)
  }

  *#slow(
    block: number,
    mode: Mode,
    options: AcquireOptions | undefined,
    isSync: boolean,
    deadline = deadlineOf(options),
  ): Slow<Guard> {
    const core = this.#core
    core.assertOpen()
    const range = options === undefined ? this.#whole : this.#rangeOf(mode, options)
    const entry = core.slot.takeEntry()
    let frame: FrameIndex
    try {
      const [low, high] = [lowOf(block), highOf(block)]
      frame = yield* acquireSlow(core, {
        partition: this.view,
        block,
        low,
        high,
        mode,
        range,
        entry,
        deadline,
        isSync,
      })
    } catch (error) {
      core.slot.giveEntry(entry)
      throw error
    }
    return this.#guard(block, mode, frame, entry, isSync)
  }

  /** The last look: a cache that began to close after the latch was taken must not have another holder. */
  #guard(block: number, mode: Mode, frame: FrameIndex, entry: number, isSync: boolean): Guard {
    const core = this.#core
    const guard = new Guard(this, core, block, mode, frame, entry, isSync)
    if (core.words[Header.state] !== EngineState.OPEN) {
      guard.release()
      throw core.notOpen()
    }
    if (mode !== 'overwrite') core.slot.count(COUNTER.reads)
    if (mode !== 'read') core.slot.count(COUNTER.writes)
    if (core.tracer.on)
      core.tracer.record(TRACE['block.acquire'], this.view.index, block, MODES.indexOf(mode))
    return guard
  }

  *#read(target: Uint8Array, position: number, wait: WaitOptions | undefined, isSync: boolean): Slow<void> {
    assertBytes(this.view, target, position)
    const deadline = deadlineOf(wait)
    for (const { block, start, length, at } of pieces(this.blockSize, position, target.length)) {
      const guard =
        this.#hit(block, 'read', undefined, isSync) ??
        (yield* this.#slow(block, 'read', undefined, isSync, deadline))
      try {
        const from = guard.offset + start
        target.set(guard.bytes.subarray(from, from + length), at)
      } finally {
        guard.release()
      }
    }
  }

  *#write(
    source: Uint8Array,
    position: number,
    writeClass: string | undefined,
    wait: WaitOptions | undefined,
    isSync: boolean,
  ): Slow<void> {
    assertBytes(this.view, source, position)
    this.#assertWritable()
    classNumber(this.#core, writeClass)
    const deadline = deadlineOf(wait)
    for (const { block, start, length, at } of pieces(this.blockSize, position, source.length)) {
      const mode = length === this.blockSize ? 'overwrite' : 'modify'
      const range = mode === 'modify' ? { start, length } : undefined
      const guard =
        this.#hit(block, mode, range, isSync) ?? (yield* this.#slow(block, mode, range, isSync, deadline))
      try {
        guard.bytes.set(source.subarray(at, at + length), guard.offset + start)
        guard.markDirty(writeClass)
      } catch (error) {
        guard.discard() // the caller's buffer went away meanwhile
        throw error
      }
      guard.release()
    }
  }

  /** @throws ERR_DCACHE_OUT_OF_RANGE */
  #rangeOf(mode: Mode, { start = 0, length = this.blockSize - start }: AcquireOptions): Range {
    if (mode !== 'modify') return this.#whole
    const isInside =
      Number.isInteger(start) &&
      Number.isInteger(length) &&
      start >= 0 &&
      length >= 0 &&
      start + length <= this.blockSize
    if (!isInside) {
      throw new CacheError(
        'ERR_DCACHE_OUT_OF_RANGE',
        `the range ${show(start)}, ${show(length)} is not inside a block of ${this.blockSize} bytes`,
      )
    }
    return { start, length }
  }

  #assertChange(mode: Mode): void {
    if (!MODES.includes(mode))
      throw new CacheError('ERR_DCACHE_BAD_OPTION', `mode is ${show(mode)}; it is read, modify or overwrite`)
    this.#assertWritable()
  }

  #assertWritable(): void {
    if (this.readOnly) throw new CacheError('ERR_DCACHE_READ_ONLY', `partition '${this.name}' is read-only`)
  }

  /** Hands this thread's notes of hits to the policy, unless somebody is busy there. */
  #drain(): void {
    const { policyMutex, policy, slot } = this.#core
    if (!policyMutex.tryLock(slot.index)) return
    policy.drain()
    policyMutex.unlock()
  }
}

/** @throws ERR_DCACHE_BAD_OPTION */
function deadlineOf(wait: WaitOptions | undefined): Deadline {
  if (wait?.timeoutMs !== undefined) assertTimeout(wait.timeoutMs)
  return new Deadline(wait?.timeoutMs)
}

/** @throws ERR_DCACHE_BAD_OPTION */
function assertTimeout(timeoutMs: unknown): void {
  if (typeof timeoutMs === 'number' && timeoutMs >= 0) return
  throw new CacheError(
    'ERR_DCACHE_BAD_OPTION',
    `timeoutMs is ${show(timeoutMs)}; it is a number of milliseconds from 0`,
  )
}

function throwIfAborted(wait: WaitOptions | undefined): void {
  if (wait?.signal?.aborted === true) {
    throw new CacheError('ERR_DCACHE_ABORTED', 'the signal was aborted before the call', {
      cause: wait.signal.reason,
    })
  }
}
