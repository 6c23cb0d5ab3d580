// Runs commands on an engine and on the model beside it, and compares. One run holds at most a few guards at a time, so
// that no command waits for what only a later command would give.

import { deepStrictEqual } from 'node:assert'
import { type AcquireOptions, type BlockGuard, CacheError, type Mode } from 'dcache'
import type { Access, Command, Ending } from './commands.js'
import type { Driver } from './driver.js'
import { same } from './history.js'

/** Guards that a run keeps over several commands. */
const HELD_MAX = 3

/** A guard that is held, and what its block has to show. */
interface Held {
  readonly guard: BlockGuard
  readonly partition: number
  readonly block: number
  readonly mode: Mode
  readonly start: number
  readonly length: number
  /** The block was not cached: what an `overwrite` guard shows is not its contents. */
  readonly isAbsent: boolean
  readonly expected: Uint8Array
  isChanged: boolean
}

/** Bytes that say nothing, and are the same for the same seed. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0, x = seed | 1; i < length; i++) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    bytes[i] = x >>> 24
  }
  return bytes
}

export class Interpreter {
  readonly #driver: Driver
  #held: Held[] = []
  /** A device failed, and what was not written then is still owed. */
  #isFaulty = false
  /** A failure of the test itself, in the middle of an engine's write, which would take it for the device's. */
  #innerFailure: unknown

  constructor(driver: Driver) {
    this.#driver = driver
  }

  async run(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      await this.#do(command)
      this.#assertSound(command.op)
    }
    await this.#settle()
    deepStrictEqual(this.#driver.checkQuiet(), [])
  }

  /** Lets go of everything, so that the engine can be stopped. */
  letGo(): void {
    for (const { guard } of this.#held) guard[Symbol.dispose]()
    this.#held = []
  }

  async #do(command: Command): Promise<void> {
    const driver = this.#driver
    const { inline } = driver
    switch (command.op) {
      case 'access': {
        const held = await this.#acquire(command.access)
        if (held) this.#finish(held, command.access)
        return
      }
      case 'hold': {
        if (this.#held.length >= HELD_MAX) return
        const held = await this.#acquire(command.access)
        if (held) this.#held.push(held)
        return
      }
      case 'try':
        this.#try(command.access)
        return
      case 'touch': {
        const held = this.#held[command.guard % this.#held.length]
        if (held) this.#change(held, command.seed)
        return
      }
      case 'end': {
        const index = command.guard % this.#held.length
        const [held] = this.#held.splice(index, 1)
        if (held) this.#end(held, command.ending, command.writeClass)
        return
      }
      case 'readBytes':
        return this.#readBytes(command)
      case 'writeBytes':
        return this.#writeBytes(command)
      case 'forget': {
        const { partition, first, count } = this.#range(command)
        this.#forgotten(partition, first, count)
        driver.partition(partition).forget(first, count)
        return
      }
      case 'flush':
        return this.#flush(command.partition)
      case 'kick':
        driver.kick()
        return
      case 'evict':
        driver.evictClean()
        return
      case 'reopen':
        return this.#reopen()
      case 'flusher':
        inline?.stepFlusher()
        return
      case 'writer':
        inline?.stepWriter(command.partition)
        return
      case 'fail':
        inline?.arm(command.partition, command.call)
        return
      case 'retry':
        this.#retry()
        return
      case 'duringWrite':
        this.#plan(() => {
          this.#accessElsewhere(command.access)
        })
        return
      case 'forgetDuringWrite':
        this.#plan(() => {
          const { partition, first, count } = this.#range(command)
          this.#forgotten(partition, first, count)
          inline?.forgetElsewhere(partition, first, count)
        })
    }
  }

  /** The guard of an access, its block compared with the model; undefined if it was refused as it had to be. */
  async #acquire(access: Access): Promise<Held | undefined> {
    const { partition, block } = this.#place(access)
    const isInTheWay = this.#isInTheWay(partition, block, access.mode)
    const isImpatient = access.isImpatient || this.#isDisturbed
    // A thread that awaits waits for itself as for anybody.
    const timeoutMs = isImpatient ? 0 : isInTheWay && !this.#driver.inline ? 1 : undefined
    let guard: BlockGuard
    try {
      guard = await this.#driver.acquire(partition, block, access.mode, this.#options(access, timeoutMs))
    } catch (error) {
      this.#assertRefusal(error, timeoutMs !== undefined, isInTheWay)
      return undefined
    }
    return this.#enter(guard, access)
  }

  #accessElsewhere(access: Access): void {
    const { partition, block } = this.#place(access)
    let guard: BlockGuard
    try {
      const options = this.#options(access, 0)
      guard = this.#driver.inline!.acquireElsewhere(partition, block, access.mode, options)
    } catch (error) {
      this.#assertRefusal(error, true, false)
      return
    }
    this.#finish(this.#enter(guard, access), access)
  }

  #try(access: Access): void {
    const { partition, block } = this.#place(access)
    const guard = this.#driver.partition(partition).tryAcquire(block, access.mode)
    if (guard) this.#finish(this.#enter(guard, { ...access, isDeclared: false }), access)
  }

  #enter(guard: BlockGuard, access: Access): Held {
    const { partition, block } = this.#place(access)
    const { history } = this.#driver
    const isInTheWay = this.#isInTheWay(partition, block, access.mode)
    const expected = guard.data.slice()
    if (isInTheWay) {
      guard.release()
      throw new Error(`block ${block} of partition ${partition} was given away while it is held`)
    }
    // An absent block shows zeros; one whose contents are nowhere else can't be absent.
    const mayBeAbsent = access.mode === 'overwrite' && !history.isOwed(partition, block)
    const current = history.current(partition, block)
    const showsZeros = expected.every((byte) => byte === 0)
    const isKnown = current !== undefined && !same(current, expected)
    try {
      if (!(mayBeAbsent && showsZeros)) history.observe(partition, block, expected)
    } catch (error) {
      guard.release()
      throw error
    }
    const { start, length } = this.#bytesOf(access)
    return {
      guard,
      partition,
      block,
      mode: access.mode,
      start,
      length,
      isAbsent: mayBeAbsent && showsZeros && isKnown,
      expected,
      isChanged: false,
    }
  }

  #finish(held: Held, access: Access): void {
    this.#change(held, access.seed)
    this.#end(held, access.ending, access.writeClass)
    this.#assertHit(held)
  }

  /** Changes the bytes of a guard's range. */
  #change(held: Held, seed: number): void {
    if (held.mode === 'read') return
    const bytes = noise(held.length, seed)
    held.guard.data.set(bytes, held.start)
    held.expected.set(bytes, held.start)
    held.isChanged = true
  }

  #end(held: Held, ending: Ending, writeClass: number): void {
    const { guard, partition, block, mode, expected } = held
    const { history, writeOrder } = this.#driver
    if (!same(guard.data, expected))
      throw new Error(`block ${block} of partition ${partition} changed while it was held`)
    // What was changed may be given back without a mark only where the block was not cached.
    const isUnmarked = ending === 'clean' && (!held.isChanged || held.isAbsent)
    if (ending === 'discard') {
      guard.discard()
    } else if (mode === 'read' || isUnmarked) {
      guard.release()
    } else {
      guard.markDirty(writeOrder[writeClass])
      history.release(partition, block, expected, writeClass)
      guard.release()
    }
  }

  /** A block that was just read, and is free, is a hit. */
  #assertHit({ partition, block, mode }: Held): void {
    if (mode !== 'read' || !this.#driver.inline || this.#isInTheWay(partition, block, 'modify')) return
    const guard = this.#driver.partition(partition).tryAcquire(block, 'read')
    if (!guard) throw new Error(`block ${block} of partition ${partition} is no hit after it was read`)
    guard.release()
  }

  async #readBytes(command: { partition: number; position: number; length: number }): Promise<void> {
    if (this.#isDisturbed) return
    const { partition, position, length, pieces } = this.#pieces(command)
    const blocked = pieces.findIndex(({ block }) => this.#isInTheWay(partition, block, 'read'))
    const target = new Uint8Array(length)
    if (!(await this.#attempt(blocked, () => this.#driver.readBytes(partition, target, position)))) return
    for (const { block, start, end, at } of pieces) {
      const current = this.#driver.history.current(partition, block)
      if (current === undefined || same(current.subarray(start, end), target.subarray(at, at + end - start)))
        continue
      throw new Error(
        `bytes ${start} to ${end} of block ${block} of partition ${partition} are not as written`,
      )
    }
  }

  async #writeBytes(command: {
    partition: number
    position: number
    length: number
    seed: number
    writeClass: number
  }): Promise<void> {
    if (this.#isDisturbed) return
    const { history, writeOrder } = this.#driver
    const { partition, position, length, pieces } = this.#pieces(command)
    const blocked = pieces.findIndex(({ block }) => this.#isInTheWay(partition, block, 'modify'))
    // The other bytes of a block that is changed in part have to be known.
    if (pieces.some(({ block }) => history.current(partition, block) === undefined)) return
    if (blocked >= 0 && !this.#driver.inline) return
    const source = noise(length, command.seed)
    const written = blocked < 0 ? pieces : pieces.slice(0, blocked)
    for (const { block, start, end, at } of written) {
      const bytes = history.current(partition, block)!.slice()
      bytes.set(source.subarray(at, at + end - start), start)
      history.release(partition, block, bytes, command.writeClass)
    }
    const writeClass = writeOrder[command.writeClass]!
    await this.#attempt(blocked, () => this.#driver.writeBytes(partition, source, position, writeClass))
  }

  /** True if the call succeeded; false if a guard of this run was in the way and the call said so. */
  async #attempt(blocked: number, call: () => void | Promise<void>): Promise<boolean> {
    const { inline } = this.#driver
    if (blocked >= 0 && !inline) return false
    // The model takes all blocks of a range at once: nobody may do anything between the first and the last.
    if (inline) inline.duringWrite = undefined
    try {
      await call()
    } catch (error) {
      this.#assertRefusal(error, false, blocked >= 0)
      return false
    }
    if (blocked >= 0) throw new Error('a range was read or written although one of its blocks is held')
    return true
  }

  async #flush(partition: number | undefined): Promise<void> {
    const { history, partitions } = this.#driver
    const { order } = history
    try {
      await this.#driver.flush(partition === undefined ? {} : { partition: partitions[partition]!.name })
    } catch (error) {
      this.#assertFenced(error)
      return
    }
    history.flushed((p, block) => this.#driver.durable(p, block), order, partition)
  }

  #retry(): void {
    const { inline, partitions } = this.#driver
    if (!inline || !this.#isDisturbed) return
    inline.disarm()
    // A round that has failed already, and does not know it yet.
    inline.settle()
    for (let turn = 0; turn < 2; turn++) {
      partitions.forEach((_, partition) => {
        try {
          inline.retry(partition)
        } catch (error) {
          if (turn > 0) throw error
          this.#assertFenced(error)
        }
      })
    }
    this.#isFaulty = false
    this.#faults = inline.failures
  }

  async #settle(): Promise<void> {
    for (const held of this.#held.splice(0)) this.#end(held, 'discard', 0)
    this.#retry()
    await this.#flush(undefined)
    if (this.#driver.inline) this.#driver.inline.duringWrite = undefined
    // What the middle of that flush released.
    await this.#flush(undefined)
    this.#assertSound('the last flush')
  }

  async #reopen(): Promise<void> {
    await this.#settle()
    deepStrictEqual(this.#driver.checkQuiet(), [])
    await this.#driver.reopen()
    this.#driver.history.reopened((partition, block) => this.#driver.durable(partition, block))
  }

  #forgotten(partition: number, first: number, count: number): void {
    for (let block = first; block < first + count; block++)
      if (!this.#isInTheWay(partition, block, 'modify')) this.#driver.history.forget(partition, block)
  }

  #plan(inner: () => void): void {
    const { inline } = this.#driver
    if (!inline) return
    inline.duringWrite = () => {
      try {
        inner()
      } catch (error) {
        this.#innerFailure ??= error
      }
    }
  }

  #assertSound(after: string): void {
    const breach = this.#innerFailure ?? this.#driver.inline?.breach
    if (breach !== undefined) throw breach as Error
    deepStrictEqual(this.#driver.check(), [], `check() after ${after}`)
  }

  #faults = 0

  #noteFaults(): void {
    const { inline } = this.#driver
    if (inline && inline.failures !== this.#faults) this.#isFaulty = true
  }

  /** A failure is to come or was not repaired: nothing may wait for write-back then. */
  get #isDisturbed(): boolean {
    this.#noteFaults()
    return this.#isFaulty || this.#driver.inline?.isArmed === true
  }

  #assertFenced(error: unknown): void {
    this.#noteFaults()
    if (!(this.#isFaulty && error instanceof CacheError && error.code === 'ERR_DCACHE_FENCED')) throw error
  }

  /** Whether a call may fail like this. */
  #assertRefusal(error: unknown, isImpatient: boolean, isInTheWay: boolean): void {
    this.#noteFaults()
    if (!(error instanceof CacheError)) throw error
    const allowed = [
      ...(isImpatient ? ['ERR_DCACHE_TIMEOUT', 'ERR_DCACHE_EXHAUSTED'] : []),
      ...(isInTheWay ? ['ERR_DCACHE_DEADLOCK'] : []),
      ...(this.#isFaulty ? ['ERR_DCACHE_FENCED', 'ERR_DCACHE_READ_FAILED'] : []),
    ]
    if (!allowed.includes(error.code)) throw error
  }

  #isInTheWay(partition: number, block: number, mode: Mode): boolean {
    return this.#held.some(
      (held) =>
        held.partition === partition && held.block === block && (mode !== 'read' || held.mode !== 'read'),
    )
  }

  #place({ partition, block }: { partition: number; block: number }) {
    return { partition, block: block % this.#driver.partitions[partition]!.blocks }
  }

  #bytesOf({ partition, start, length }: Access): { start: number; length: number } {
    const share = this.#driver.partitions[partition]!.blockSize / 16
    return { start: start * share, length: Math.min(length, 16 - start) * share }
  }

  #options(access: Access, timeoutMs: number | undefined): AcquireOptions {
    const range = access.isDeclared && access.mode === 'modify' ? this.#bytesOf(access) : {}
    return timeoutMs === undefined ? range : { ...range, timeoutMs }
  }

  #range({ partition, block, count }: { partition: number; block: number; count: number }) {
    const { blocks } = this.#driver.partitions[partition]!
    const first = block % blocks
    return { partition, first, count: Math.min(count, blocks - first) }
  }

  /** A range of bytes, and the parts of blocks that it is made of. */
  #pieces({ partition, position, length }: { partition: number; position: number; length: number }) {
    const { blocks, blockSize } = this.#driver.partitions[partition]!
    const first = position % (blocks * blockSize)
    const size = Math.min(length, blocks * blockSize - first)
    const pieces: { block: number; start: number; end: number; at: number }[] = []
    for (let at = 0; at < size;) {
      const block = Math.floor((first + at) / blockSize)
      const start = (first + at) % blockSize
      const end = Math.min(blockSize, start + size - at)
      pieces.push({ block, start, end, at })
      at += end - start
    }
    return { partition, position: first, length: size, pieces }
  }
}
