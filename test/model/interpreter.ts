// Runs commands on an engine and on the model, and compares the two. A run holds only a few guards at a time, so that no
// command waits for something that only a later command would release.

import { deepStrictEqual } from 'node:assert'
import type { BlockGuard } from 'dcache'
import type { Access, Command } from './commands.js'
import type { Driver } from './driver.js'
import { Faults } from './faults.js'
import { type Held, HeldGuards, noise } from './held.js'
import { same } from './history.js'
import { blocksOf, optionsOf, piecesOf, keyHighOf } from './places.js'

/** A range of bytes to read or to write. */
type RangeCommand = Extract<Command, { op: 'readBytes' | 'writeBytes' }>
type ForgetCommand = Extract<Command, { op: 'forget' | 'forgetDuringWrite' | 'prefetch' }>

export class Interpreter {
  readonly #driver: Driver
  readonly #guards: HeldGuards
  readonly #faults: Faults
  /** A failed check in the middle of a write. It is kept, because the engine would take a throw for a failed device. */
  #innerFailure: unknown

  constructor(driver: Driver) {
    this.#driver = driver
    this.#guards = new HeldGuards(driver)
    this.#faults = new Faults(driver.inline)
  }

  async run(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      await this.#do(command)
      this.#assertSound(command.op)
    }
    await this.#settle()
  }

  /** Releases all guards, so that the engine can be stopped. */
  letGo(): void {
    for (const { guard } of this.#guards.takeAll()) guard[Symbol.dispose]()
  }

  async #do(command: Command): Promise<void> {
    const driver = this.#driver
    const { inline } = driver
    switch (command.op) {
      case 'access':
        return this.#access(command.access)
      case 'hold': {
        const held = this.#guards.isFull ? undefined : await this.#acquire(command.access)
        if (held) this.#guards.keep(held)
        return
      }
      case 'try':
        this.#try(command.access)
        return
      case 'touch': {
        const held = this.#guards.pick(command.guard)
        if (held) this.#guards.change(held, command.seed)
        return
      }
      case 'end': {
        const held = this.#guards.take(command.guard)
        if (held) this.#guards.end(held, command.ending, command.writeClass)
        return
      }
      case 'readBytes':
        return this.#readBytes(command)
      case 'writeBytes':
        return this.#writeBytes(command)
      case 'forget':
        this.#forget(command, (partition, first, count) => driver.partition(partition).forget(first, count))
        return
      case 'prefetch': {
        const { partition, first, count } = blocksOf(driver.partitions, command)
        driver.partition(partition).prefetch(first, count)
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
      case 'reader':
        inline?.stepReader()
        return
      case 'writer':
        inline?.stepWriter(command.partition)
        return
      case 'fail':
        inline?.arm(command.partition, command.call)
        return
      case 'retry':
        this.#faults.repair(driver.partitions.length)
        return
      case 'duringWrite':
        this.#plan(() => this.#accessElsewhere(command.access))
        return
      case 'forgetDuringWrite':
        this.#plan(() =>
          this.#forget(command, (partition, first, count) =>
            inline?.forgetElsewhere(partition, first, count),
          ),
        )
    }
  }

  async #access(access: Access): Promise<void> {
    const held = await this.#acquire(access)
    if (held) this.#guards.finish(held, access)
  }

  /** The guard of an access, with its contents compared; undefined if the call was correctly refused. */
  async #acquire(access: Access): Promise<Held | undefined> {
    const { partitions, inline } = this.#driver
    const { partition, block } = keyHighOf(partitions, access)
    const isInTheWay = this.#guards.isInTheWay(partition, block, access.mode)
    const isImpatient = access.isImpatient || this.#faults.isDisturbed
    // An asynchronous call waits for guards of its own thread as for those of others.
    const timeoutMs = isImpatient ? 0 : isInTheWay && !inline ? 1 : undefined
    const options = optionsOf(partitions, access, timeoutMs)
    let guard: BlockGuard
    try {
      guard = await this.#driver.acquire(partition, block, access.mode, options)
    } catch (error) {
      this.#faults.assertRefusal(error, timeoutMs !== undefined, isInTheWay)
      return undefined
    }
    return this.#guards.enter(guard, access)
  }

  /** An access of another client at this moment, which may not wait. */
  #accessElsewhere(access: Access): void {
    const { partitions, inline } = this.#driver
    const { partition, block } = keyHighOf(partitions, access)
    const options = optionsOf(partitions, access, 0)
    let guard: BlockGuard
    try {
      guard = inline!.acquireElsewhere(partition, block, access.mode, options)
    } catch (error) {
      this.#faults.assertRefusal(error, true, false)
      return
    }
    this.#guards.finish(this.#guards.enter(guard, access), access)
  }

  #try(access: Access): void {
    const { partition, block } = keyHighOf(this.#driver.partitions, access)
    const guard = this.#driver.partition(partition).tryAcquire(block, access.mode)
    if (guard) this.#guards.finish(this.#guards.enter(guard, access), access)
  }

  async #readBytes(command: RangeCommand): Promise<void> {
    if (this.#faults.isDisturbed) return
    const { history, partitions } = this.#driver
    const { partition, position, length, pieces } = piecesOf(partitions, command)
    const isInTheWay = pieces.some(({ block }) => this.#guards.isInTheWay(partition, block, 'read'))
    const target = new Uint8Array(length)
    const call = () => this.#driver.readBytes(partition, target, position)
    if (!(await this.#attempt(isInTheWay, call))) return
    for (const { block, start, end, at } of pieces) {
      const expected = history.current(partition, block)?.subarray(start, end)
      if (expected === undefined || same(expected, target.subarray(at, at + end - start))) continue
      throw new Error(
        `bytes ${start} to ${end} of block ${block} of partition ${partition} are not as written`,
      )
    }
  }

  async #writeBytes(command: RangeCommand): Promise<void> {
    if (this.#faults.isDisturbed) return
    const { history, writeOrder, partitions, inline } = this.#driver
    const { partition, position, length, pieces } = piecesOf(partitions, command)
    const blocked = pieces.findIndex(({ block }) => this.#guards.isInTheWay(partition, block, 'modify'))
    // The other bytes of a partly changed block must be known.
    if (pieces.some(({ block }) => history.current(partition, block) === undefined)) return
    if (blocked >= 0 && !inline) return
    const source = noise(length, command.seed)
    // The write proceeds block by block in ascending order: the blocks before the held one are written.
    for (const { block, start, end, at } of blocked < 0 ? pieces : pieces.slice(0, blocked)) {
      const bytes = history.current(partition, block)!.slice()
      bytes.set(source.subarray(at, at + end - start), start)
      history.release(partition, block, bytes, command.writeClass)
    }
    const writeClass = writeOrder[command.writeClass]!
    await this.#attempt(blocked >= 0, () => this.#driver.writeBytes(partition, source, position, writeClass))
  }

  /** True if the call succeeded; false if a guard of this run blocked it and the call reported that. */
  async #attempt(isInTheWay: boolean, call: () => void | Promise<void>): Promise<boolean> {
    const { inline } = this.#driver
    if (isInTheWay && !inline) return false
    // The model handles all blocks of a range at once: no other access may come between the first and the last.
    if (inline) inline.duringWrite = undefined
    try {
      await call()
    } catch (error) {
      this.#faults.assertRefusal(error, false, isInTheWay)
      return false
    }
    if (isInTheWay) throw new Error('a range was read or written although one of its blocks is held')
    return true
  }

  #forget(command: ForgetCommand, call: (partition: number, first: number, count: number) => void): void {
    const { partition, first, count } = blocksOf(this.#driver.partitions, command)
    // Blocks that this run holds keep their contents.
    for (let block = first; block < first + count; block++)
      if (!this.#guards.isInTheWay(partition, block, 'modify')) this.#driver.history.forget(partition, block)
    call(partition, first, count)
  }

  async #flush(partition: number | undefined): Promise<void> {
    const { history, partitions } = this.#driver
    const { order } = history
    try {
      await this.#driver.flush(partition === undefined ? {} : { partition: partitions[partition]!.name })
    } catch (error) {
      this.#faults.assertFenced(error)
      return
    }
    history.flushed((p, block) => this.#driver.durable(p, block), order, partition)
  }

  /** Checks that no guard is held, nothing is unwritten, and no latch or pin is left. */
  async #settle(): Promise<void> {
    for (const held of this.#guards.takeAll()) this.#guards.end(held, 'discard', 0)
    this.#faults.repair(this.#driver.partitions.length)
    await this.#flush(undefined)
    if (this.#driver.inline) this.#driver.inline.duringWrite = undefined
    // Changes released in the middle of that flush.
    await this.#flush(undefined)
    this.#assertSound('the last flush')
    deepStrictEqual(this.#driver.checkQuiet(), [])
  }

  async #reopen(): Promise<void> {
    await this.#settle()
    await this.#driver.reopen()
    this.#driver.history.reopened((partition, block) => this.#driver.durable(partition, block))
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
}
