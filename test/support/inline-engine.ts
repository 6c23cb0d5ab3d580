// The whole core in one thread: clients, the flusher and the writers on one arena, over devices in memory. The test decides
// what runs: `step` runs the flusher and the writers, and where a client's Sync call would sleep, they run instead. So
// every run is repeatable, and a sleep that no thread would end is an error at once.

import { finishLoading, setSleeper } from './inline-sleep.js'
import { wait } from '#dist/shared/atomics.js'
import { checkQuiet } from '#dist/core/inspect/check.js'
import { Client } from '#dist/core/client/client.js'
import { Context, enter, type JournalView, leave } from '#dist/core/context.js'
import type { Device } from '#dist/core/device/device.js'
import { setPlace } from '#dist/core/journal/place.js'
import type { RecordPlace } from '#dist/core/journal/record.js'
import { placeAfter } from '#dist/core/journal/recover.js'
import { blocksInHalf, tableBytesOf } from '#dist/shared/journal-size.js'
import { Group } from '#dist/shared/words.js'
import { Flusher } from '#dist/core/write-back/flusher.js'
import { Reader } from '#dist/core/prefetch/reader.js'
import { evictClean } from '#dist/core/blocks/forget.js'
import { formatArena } from '#dist/core/format.js'
import { retry } from '#dist/core/changes/retry.js'
import type { RoundEvent } from '#dist/core/write-back/fence.js'
import { Writer } from '#dist/core/write-back/writer.js'
import type { Arena } from '#dist/shared/arena.js'
import type { FrameIndex } from '#dist/shared/indices.js'
import { geometryOf, parseOptions } from '#dist/shared/config.js'
import type { CacheOptions } from '#dist/shared/options.js'
import { attachSlot, takeOverSlot, type ThreadSlot } from '#dist/shared/slot.js'
import { runSync } from '#dist/shared/wait.js'
import { FLUSH_SLOT, firstClientSlot, readerSlot, writerSlot } from '#dist/shared/layout.js'
import { memoryFor } from './memory-size.js'

finishLoading(wait)

export interface InlinePartition {
  readonly device: InlineDevice
  /** Bytes. */
  readonly blockSize: number
  readonly group?: string
  readonly readOnly?: boolean
  readonly share?: number
}

export interface InlineOptions extends Omit<CacheOptions, 'partitions' | 'memory'> {
  /** How many blocks the cache holds. */
  readonly blocks: number
  readonly partitions: Readonly<Record<string, InlinePartition>>
  /** The journals, by the name of the group. Their devices are as large as the halves require. */
  readonly journals?: Readonly<Record<string, InlineJournal>>
}

export interface InlineJournal {
  readonly device: Pick<Device, 'writeSync' | 'syncSync'>
  readonly halfBytes: number
  /** Where the first record goes; default: the beginning of a new journal. */
  readonly place?: RecordPlace
}

export interface InlineDevice extends Device {
  readonly sizeBytes: number
}

/** The id of every journal of an inline engine. */
export const JOURNAL_ID = new Uint8Array(16).fill(7)

/** A client sleeps, and neither the flusher nor a writer can end its sleep. */
export class StuckError extends Error {
  override readonly name = 'StuckError'
}

/** A wait of less than so many milliseconds ends without a wakeup too: what it waits for may not come. */
const SHORT_MS = 6

export class InlineEngine {
  readonly arena: Arena
  /** How many images the one group may have, with what it borrows. */
  readonly imagesMax: number
  /** The first client. Its Sync calls wait by running the flusher and the writers. */
  readonly client: Client
  readonly context: Context
  flusher: Flusher
  readonly writers: readonly Writer[]
  readonly reader: Reader
  /** The events that the flusher would send to the owner. */
  readonly events: RoundEvent[] = []
  readonly #partitions: readonly (readonly [string, InlinePartition])[]
  readonly #writeOrder: readonly string[]
  readonly #journals: JournalView[] = []
  readonly #policy: 'lru2' | 'adaptive'
  #isStepping = false
  /** A thread that latches frames. */
  #other: Context | undefined

  constructor({ blocks, partitions, journals = {}, ...rest }: InlineOptions) {
    this.#partitions = Object.entries(partitions)
    const config = parseOptions({
      threads: 4,
      maxPartitions: this.#partitions.length,
      // Rounds begin when the test wants them, not after a delay or at the background mark.
      flushDelayMs: 2 ** 31 - 1,
      dirtyBackground: 1,
      ...rest,
      memory: memoryFor(blocks, Object.values(partitions)),
      partitions: Object.fromEntries(
        this.#partitions.map(([name, { blockSize, group = '', readOnly = false, share }]) => [
          name,
          { path: name, blockSize, readOnly, group, ...(share === undefined ? {} : { share }) },
        ]),
      ),
    })
    this.#writeOrder = config.writeOrder
    this.#policy = config.policy
    const extents = this.#partitions.map(([, { device, blockSize }]) => ({
      blocks: device.sizeBytes / blockSize,
    }))
    this.arena = formatArena(config, geometryOf(config), extents, 0, 0)
    for (const [name, journal] of Object.entries(journals)) this.#addJournal(config, name, journal)
    const { spares, loans, groups } = this.arena.geometry
    this.imagesMax = (spares + loans) / groups
    setSleeper(this.arena.buffer, (words, at, value, timeoutMs) => {
      this.#moveOthers(words, at, value, timeoutMs < SHORT_MS)
    })
    this.flusher = this.#newFlusher(this.#contextIn(FLUSH_SLOT))
    this.writers = extents.map(
      (_, index) => new Writer(this.#contextIn(writerSlot(index)), index, config.writeBytes),
    )
    this.reader = new Reader(this.#contextIn(readerSlot(this.arena.geometry)))
    this.context = this.#contextIn(firstClientSlot(this.arena.geometry))
    this.client = new Client(this.context)
  }

  /** As the owner does when it opens a journal that has no records. */
  #addJournal(
    { groups, partitions }: ReturnType<typeof parseOptions>,
    name: string,
    { device, halfBytes, place = placeAfter([]) }: InlineJournal,
  ): void {
    const group = groups.indexOf(name)
    const own = partitions.filter((partition) => partition.group === group)
    const blockSize = Math.max(...own.map((partition) => partition.blockSize))
    const { words } = this.arena
    words[this.arena.groupAt(group) + Group.recordMax] = blocksInHalf(halfBytes, blockSize, tableBytesOf(own))
    setPlace(this.arena, group, place)
    this.#journals[group] = { path: `journal of ${name}`, id: JOURNAL_ID, halfBytes, device }
  }

  /** Attaches another client, as another thread would. */
  attach(): Client {
    return new Client(this.attachContext())
  }

  /** The context of another thread. */
  attachContext(): Context {
    return this.#contextIn(firstClientSlot(this.arena.geometry), this.arena.geometry.slots)
  }

  #newFlusher(context: Context): Flusher {
    return new Flusher(context, (event) => {
      if (event.kind !== 'died') this.events.push(event)
    })
  }

  /** The flush worker ends between two steps, and its successor takes its slot over. */
  replaceFlusher(): void {
    this.flusher = this.#newFlusher(this.#contextOf(takeOverSlot(this.arena, FLUSH_SLOT, FLUSH_SLOT)))
  }

  /** Runs the flusher as far as it gets without waiting. */
  stepFlusher(): void {
    this.#stepping(() => {
      this.flusher.step()
    })
  }

  /** Lets a writer do its job; false if it has none. */
  stepWriter(partition: number): boolean {
    const writer = this.writers[partition]!
    if (!writer.isAsked) return false
    this.#stepping(() => {
      writer.runJob()
    })
    return true
  }

  /** As `stepWriter`, while another thread has latched some of these frames. It releases one of them whenever the writer waits. */
  stepWriterAmong(partition: number, frames: readonly FrameIndex[]): boolean {
    const writer = this.writers[partition]!
    if (!writer.isAsked) return false
    const other = (this.#other ??= this.attachContext())
    const latched = frames.filter((frame) => enter(other, frame))
    this.#stepping(() => {
      const job = writer.job()
      while (!job.next().done) if (latched.length > 0) leave(other, latched.shift()!)
    })
    for (const frame of latched) leave(other, frame)
    return true
  }

  /** Lets the reader serve all hints. */
  stepReader(): void {
    this.#stepping(() => {
      while (this.reader.step() || this.reader.isBusy);
    })
  }

  /** Runs the flusher, then each writer that has a job. True if anything changed. */
  step(): boolean {
    const before = this.#progress()
    this.stepFlusher()
    this.writers.forEach((_, partition) => this.stepWriter(partition))
    return this.#progress() !== before
  }

  /** Steps until nothing changes any more. */
  settle(): void {
    while (this.step()) if (!this.flusher.isBusy && !this.writers.some((writer) => writer.isAsked)) return
  }

  evictClean(): number {
    return evictClean(this.context)
  }

  /** @throws ERR_DCACHE_FENCED */
  retry(partition: string): void {
    runSync(retry(this.context, this.client.partition(partition).view), true)
  }

  /** Every broken invariant, including those that hold only when no latch or pin is held. */
  checkQuiet(): string[] {
    return checkQuiet(this.context)
  }

  #contextIn(slot: number, end = slot + 1): Context {
    return this.#contextOf(attachSlot(this.arena, slot, end, slot))
  }

  #contextOf(slot: ThreadSlot): Context {
    return new Context(this.arena, slot, {
      writeOrder: this.#writeOrder,
      policy: this.#policy,
      deviceOf: ({ index }) => this.#partitions[index]![1].device,
      mayBlock: true,
      journals: this.#journals,
    })
  }

  #stepping(step: () => void): void {
    if (this.#isStepping) throw new StuckError('a worker would run inside the step of another')
    this.#isStepping = true
    try {
      step()
    } finally {
      this.#isStepping = false
    }
  }

  /** Runs in place of a sleep. @throws StuckError when the sleep would never end */
  #moveOthers(words: Int32Array<SharedArrayBuffer>, at: number, value: number, isShort: boolean): void {
    const where = `word ${at} (value ${value}) of the arena`
    if (isShort) {
      if (!this.#isStepping) this.step()
      return
    }
    if (this.#isStepping) throw new StuckError(`a worker, or a client called by one, would sleep on ${where}`)
    if (!this.step() && words[at] === value)
      throw new StuckError(`a client sleeps on ${where}, and no worker makes progress: ${this.#describe()}`)
  }

  /** All words of groups and partitions: every step of the flusher and the writers changes one of them. */
  #progress(): string {
    const { words, arena } = this.context
    return words.subarray(arena.partitionAt(0), arena.stripeAt(0)).join()
  }

  #describe(): string {
    const holders = this.client.holders().map((holder) => JSON.stringify(holder))
    return [`dirty ${this.client.stats().dirty}`, ...holders].join('; ')
  }
}
