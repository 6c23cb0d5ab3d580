/**
 * A client of a run: it changes, discards, holds, flushes and reads blocks at random, and logs what it released and what a
 * flush has promised. Every block that it reads must have the newest version. Every fourth block is changed by one client only,
 * which also writes it without a guard: so it knows the version of a write before it has the block.
 */
import type { Client } from '#dist/core/client/client.js'
import type { Context } from '#dist/core/context.js'
import type { BlockGuard } from '#dist/shared/interface.js'
import type { WaitOptions } from '#dist/shared/options.js'
import type { Engine } from './engine.js'
import { CrashLog, KIND } from './log.js'
import { Random } from './random.js'
import { WRITE_ORDER } from './scenario.js'
import { fillSector, scribble, SECTOR, sectorVersions } from './sectors.js'
import { contextIn, type Setup, writerSlot } from './setup.js'
import { Fence, Partition } from '#dist/shared/words.js'

/** How many records must stay free in the log for the last steps of all threads. */
const LOG_RESERVE = 2000
/** How long a client that holds a block waits for a second one. */
const SECOND_MS = 300

interface Block {
  readonly partition: number
  readonly block: number
}

/** Runs a client to its end; returns the errors that it found. */
export function runClient(engine: Engine, setup: Setup, index: number): string[] {
  const first = writerSlot(setup.disks.length) + index
  const context = contextIn(engine, setup, first, first + 1)
  const client = new engine.Client(context)
  const actor = new Actor(engine, context, client, setup, index)
  actor.run()
  client.detach()
  return actor.errors
}

export class Actor {
  readonly errors: string[] = []
  readonly #engine: Engine
  readonly #context: Context
  readonly #client: Client
  readonly #setup: Setup
  readonly #log: CrashLog
  readonly #random: Random
  readonly #index: number
  readonly #versions: Int32Array
  readonly #firstBlock: number[] = []
  readonly #patience: WaitOptions
  readonly #sleep = new Int32Array(new SharedArrayBuffer(4))

  constructor(engine: Engine, context: Context, client: Client, setup: Setup, index: number) {
    this.#engine = engine
    this.#context = context
    this.#client = client
    this.#setup = setup
    this.#log = new CrashLog(setup.log, context.slot.index)
    this.#random = new Random(setup.scenario.seed * 31 + index)
    this.#index = index
    this.#versions = new Int32Array(setup.versions)
    this.#patience = { timeoutMs: setup.scenario.patienceMs }
    let next = 0
    for (const disk of setup.disks) {
      this.#firstBlock.push(next)
      next += disk.blocks
    }
  }

  run(): void {
    const { operations } = this.#setup.scenario
    for (let i = 0; i < operations && this.#log.left > LOG_RESERVE && this.errors.length === 0; i++) {
      this.#try(() => this.#step())
    }
  }

  /** Ends a run: makes everything durable, with retries if necessary. */
  finish(): void {
    for (let attempt = 0; attempt < 200; attempt++) if (this.flush(-1)) return
    this.errors.push('200 retries did not lift the fences')
  }

  /** Flushes a disk, or all with -1, the classes up to `through`; true if the flush succeeded. */
  flush(partition: number, through: number = WRITE_ORDER.length): boolean {
    const value = this.#log.append(KIND.FLUSH, { partition, extra: through })
    const name = partition < 0 ? undefined : this.#setup.scenario.disks[partition]!.name
    const classes = { through: WRITE_ORDER[through - 1]! }
    try {
      this.#client.flushSync(name === undefined ? classes : { partition: name, ...classes })
    } catch (error) {
      if (!isFenced(error)) throw error
      this.#log.append(KIND.REJECTED, { partition, value })
      this.#retry()
      return false
    }
    this.#log.append(KIND.ACK, { partition, value, extra: through })
    return true
  }

  #step(): void {
    const dice = this.#random.next()
    if (dice < 0.5) this.#change()
    else if (dice < 0.6) this.#discard()
    else if (dice < 0.66) this.#changeTwo()
    else if (dice < 0.9) this.#read()
    else if (dice < 0.93) this.#client.kick()
    else if (dice < 0.95) this.#engine.evictClean(this.#context)
    else
      this.flush(
        this.#random.chance(0.6) ? -1 : this.#random.below(this.#setup.disks.length),
        this.#through(),
      )
  }

  /** The last class of a flush: half of them are of all. */
  #through(): number {
    return this.#random.chance(0.5) ? WRITE_ORDER.length : 1 + this.#random.below(WRITE_ORDER.length - 1)
  }

  /** Runs a step. After a fence it retries; any other error is a finding. */
  #try(step: () => void): void {
    try {
      step()
    } catch (error) {
      if (isFenced(error)) this.#retry()
      else this.errors.push((error as Error).stack ?? String(error))
    }
  }

  #retry(): void {
    const { retry, runSync } = this.#engine
    if (this.#random.chance(0.5)) this.#pause(2)
    for (const view of this.#context.partitions.all()) {
      const fencedAt = this.#context.arena.partitionAt(view.index) + Partition.fenced
      if (Atomics.load(this.#context.words, fencedAt) !== Fence.FENCED) continue
      try {
        runSync(retry(this.#context, view), true)
      } catch (error) {
        if (!isFenced(error)) throw error
      }
    }
  }

  #pick(): Block {
    const partition = this.#random.below(this.#setup.disks.length)
    const { blocks } = this.#setup.disks[partition]!
    // Half of the work is on a few blocks, so that dirty blocks are changed again.
    const block = this.#random.chance(0.5) ? this.#random.below(4) : this.#random.below(blocks)
    return { partition, block }
  }

  /** Whether only one client changes the block. */
  #isOwned({ block }: Block): boolean {
    return block % 4 === 3
  }

  /** A block that this client may change. */
  #pickToChange(): Block {
    for (;;) {
      const target = this.#pick()
      if (!this.#isOwned(target) || (target.block >> 2) % this.#setup.scenario.clients === this.#index)
        return target
    }
  }

  #change(): void {
    const target = this.#pickToChange()
    if (this.#isOwned(target) && this.#random.chance(0.7)) {
      this.#write(target)
      return
    }
    const guard = this.#acquire(target)
    if (guard === undefined) return
    const { held, sectors } = guard
    const wasHeld = this.#random.chance(this.#setup.scenario.holds)
    if (wasHeld) this.#hold()
    this.#commit(held, target, sectors)
  }

  /** Changes two blocks at a time, the second after the first, and releases both at the end. */
  #changeTwo(): void {
    const [a, b] = [this.#pickToChange(), this.#pickToChange()]
    if (a.partition > b.partition || (a.partition === b.partition && a.block >= b.block)) return
    const first = this.#partition(a).acquireSync(a.block, 'modify', this.#patience)
    this.#expect(first.data, a)
    let second: BlockGuard | undefined
    try {
      second = this.#partition(b).acquireSync(b.block, 'modify', { timeoutMs: SECOND_MS })
    } catch (error) {
      first.release()
      if (!isLate(error)) throw error
      return
    }
    this.#expect(second.data, b)
    this.#scribble(first.data)
    if (this.#random.chance(0.2)) this.#hold()
    this.#commit(first, a, this.#all(a))
    this.#commit(second, b, this.#all(b))
  }

  /** Writes bytes that neither a later reader nor the disk may ever contain. */
  #discard(): void {
    const target = this.#pickToChange()
    const taken = this.#acquire(target)
    if (taken === undefined) return
    for (const sector of taken.sectors) scribble(taken.held.data, sector, this.#random.below(2 ** 30))
    if (this.#random.chance(0.2)) this.#hold()
    taken.held.discard()
  }

  #read(): void {
    const target = this.#pick()
    const guard = this.#partition(target).acquireSync(target.block, 'read', this.#patience)
    this.#expect(guard.data, target)
    if (this.#random.chance(0.02)) this.#pause(1)
    guard.release()
  }

  /** Acquires a block for a change in one of the possible ways; returns the sectors that may be changed. */
  #acquire(target: Block): { held: BlockGuard; sectors: readonly number[] } | undefined {
    const partition = this.#partition(target)
    const all = this.#all(target)
    const dice = this.#random.next()
    if (dice < 0.25) {
      const sector = this.#random.pick(all)
      const range = { start: sector * SECTOR, length: SECTOR, ...this.#patience }
      return { held: partition.acquireSync(target.block, 'modify', range), sectors: [sector] }
    }
    if (dice < 0.4)
      return { held: partition.acquireSync(target.block, 'overwrite', this.#patience), sectors: all }
    if (dice < 0.5) {
      const held = partition.tryAcquire(target.block, 'modify')
      return held && { held, sectors: all }
    }
    const held = partition.acquireSync(target.block, 'modify', this.#patience)
    this.#expect(held.data, target)
    if (this.#random.chance(0.1)) {
      // An acquire that ends without a change.
      held.release()
      return undefined
    }
    return { held, sectors: this.#random.chance(0.5) ? all : [this.#random.pick(all)] }
  }

  #commit(guard: BlockGuard, { partition, block }: Block, sectors: readonly number[]): void {
    const at = this.#firstBlock[partition]! + block
    const version = this.#versions[at]! + 1
    for (const sector of sectors) fillSector(guard.data, partition, block, sector, version)
    const writeClass = this.#classOf(block)
    guard.markDirty(WRITE_ORDER[writeClass - 1])
    const mask = sectors.reduce((bits, sector) => bits | (1 << sector), 0)
    this.#versions[at] = version
    this.#log.append(KIND.RELEASE, { partition, block, value: version, extra: writeClass, mask })
    guard.release()
    this.#log.append(KIND.RELEASED, { partition, block, value: version })
  }

  /** 1 + the index of the class, mostly the usual one of the block. */
  #classOf(block: number): number {
    const isOther = this.#random.chance(this.#setup.scenario.classChanges)
    return 1 + (isOther ? this.#random.below(WRITE_ORDER.length) : block % WRITE_ORDER.length)
  }

  /** Writes a block, or a sector of it, without a guard. What it has begun to write it writes in the end, whatever fails. */
  #write(target: Block): void {
    const { partition, block } = target
    const all = this.#all(target)
    const sectors = this.#random.chance(0.5) ? all : [this.#random.pick(all)]
    const at = this.#firstBlock[partition]! + block
    const version = this.#versions[at]! + 1
    const bytes = new Uint8Array(all.length * SECTOR)
    for (const sector of sectors) fillSector(bytes, partition, block, sector, version)
    const start = sectors[0]! * SECTOR
    const position = block * bytes.length + start
    const writeClass = this.#classOf(block)
    const mask = sectors.reduce((bits, sector) => bits | (1 << sector), 0)
    this.#log.append(KIND.RELEASE, { partition, block, value: version, extra: writeClass, mask })
    const source = bytes.subarray(start, start + sectors.length * SECTOR)
    for (;;) {
      try {
        this.#partition(target).writeSync(source, position, WRITE_ORDER[writeClass - 1], this.#patience)
        break
      } catch (error) {
        if (!isLate(error)) throw error
        if (isFenced(error)) this.#retry()
      }
    }
    this.#versions[at] = version
    this.#log.append(KIND.RELEASED, { partition, block, value: version })
  }

  /** Keeps its guards for a while, now and then for a whole flush. */
  #hold(): void {
    if (this.#random.chance(0.3)) this.flush(-1)
    else this.#pause(2)
  }

  #expect(data: Uint8Array, { partition, block }: Block): void {
    const newest = this.#versions[this.#firstBlock[partition]! + block]!
    const found = Math.max(...sectorVersions(data, partition, block))
    const isWhole = sectorVersions(data, partition, block).every((version) => version >= 0)
    // The version of a write is noted after it.
    const isRight = found === newest || (this.#isOwned({ partition, block }) && found === newest + 1)
    if (isWhole && isRight) return
    this.errors.push(
      `block ${block} of disk${partition} was read with version ${found}, the newest is ${newest}`,
    )
  }

  #scribble(data: Uint8Array): void {
    for (let sector = 0; sector < data.length / SECTOR; sector++)
      scribble(data, sector, this.#random.below(2 ** 30))
  }

  #partition({ partition }: Block): ReturnType<Client['partition']> {
    return this.#client.partition(this.#setup.scenario.disks[partition]!.name)
  }

  #all({ partition }: Block): number[] {
    return Array.from({ length: this.#setup.disks[partition]!.blockSize / SECTOR }, (_, sector) => sector)
  }

  #pause(maxMs: number): void {
    Atomics.wait(this.#sleep, 0, 0, this.#random.next() * maxMs)
  }
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code
const isFenced = (error: unknown): boolean => codeOf(error) === 'ERR_DCACHE_FENCED'
const isLate = (error: unknown): boolean =>
  isFenced(error) || codeOf(error) === 'ERR_DCACHE_TIMEOUT' || codeOf(error) === 'ERR_DCACHE_EXHAUSTED'
