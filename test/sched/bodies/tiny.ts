// A whole core over a few blocks, for the bodies: an arena, a device in shared memory, clients, and the checks at the end.
//
// Every block begins with its number and has a counter in two places. A change updates both, with a point in between, so
// that a reader of a half-made change sees them differ.

import { get, point, put, type Words } from '../atomics.js'
import type { Body, Role } from '../body.js'
import type { Engine } from '../engine.js'
import { wordNames } from './word-names.js'
import type { Partition } from '#dist/shared/interface.js'
import type { CacheOptions } from '#dist/shared/options.js'
import type { Client } from '#dist/core/client/client.js'
import type { Context } from '#dist/core/context.js'
import type { Device } from '#dist/core/device/device.js'
import type { Arena } from '#dist/shared/arena.js'
import { Frame, Group, Partition as PartitionWords, Slot, SlotState, Wait } from '#dist/shared/words.js'

export const BLOCK = 512
const PAGE = 4096
/** One half has room for all records of a body, so no turn is drawn at random. */
const JOURNAL = { id: new Uint8Array(16).fill(7), halfBytes: 24 * PAGE }
const JOURNAL_BYTES = PAGE + 2 * JOURNAL.halfBytes
const RECORD_MAX = 12
const NUMBER = 0
const COUNT = 1
const COUNT_AGAIN = BLOCK / 4 - 1

/** Slots as in src/workers/attach.ts: one partition, so one writer; then the reader. */
export const OWNER_SLOT = 0
export const FLUSH_SLOT = 1
export const WRITER_SLOT = 2
export const READER_SLOT = 3
export const CLIENT_SLOT = 4

/** The descriptor of the partition that takes the number of one that was dropped, and what its blocks' numbers are more. */
export const NEXT_FD = 7
export const NEXT = 50

/** Indices in the notes of a body, after the number of reads of each block. */
export const Note = { changes: 32, last: 48, buried: 64, closed: 96 } as const

export interface TinyOptions extends Pick<CacheOptions, 'policy' | 'dirtyLimit'> {
  readonly frames: number
  readonly clients: number
  /** The number of blocks of the partition. */
  readonly blocks?: number
  /** How many of them are cached at the beginning; the lowest is the next victim. */
  readonly cached?: number
  /** Whether there is a second partition, 'more', whose one block follows the others on the device; both have the one writer. */
  readonly hasMore?: boolean
  /** The most frames that the first partition may have. */
  readonly framesMax?: number
  /** Whether every fsync of the first partition fails. */
  readonly fails?: boolean
  /** Whether the group has a journal. */
  readonly isJournaled?: boolean
  /** There are no spares: the one image that there may be at a time is in a frame of the pool. */
  readonly borrows?: boolean
}

export class Tiny {
  readonly memory: readonly SharedArrayBuffer[]
  readonly arena: Arena
  readonly engine: Engine
  readonly options: TinyOptions
  /** The device's contents as Int32: written, and durable. */
  readonly written: Int32Array<SharedArrayBuffer>
  readonly durable: Int32Array<SharedArrayBuffer>
  /** The counts of the body, see Note. */
  readonly notes: Int32Array<SharedArrayBuffer>
  /** The contents of the journal. */
  readonly journal: { readonly written: Uint8Array; readonly durable: Uint8Array }

  constructor(engine: Engine, options: TinyOptions, memory?: readonly SharedArrayBuffer[]) {
    const {
      frames,
      clients,
      blocks = 4,
      cached = 0,
      policy = 'lru2',
      dirtyLimit = 1,
      borrows = false,
      hasMore = false,
    } = options
    this.engine = engine
    this.options = options
    const config = engine.config.parseOptions({
      memory: (frames + 2) * BLOCK,
      partitions: {
        data: { path: 'none', blockSize: BLOCK },
        ...(hasMore && { more: { path: 'none', blockSize: BLOCK, offset: blocks * BLOCK } }),
      },
      maxPartitions: hasMore ? 2 : 1,
      threads: clients,
      policy,
      dirtyLimit,
      flushDelayMs: 2 ** 31 - 1,
      // Rounds begin only when a body requests one.
      dirtyBackground: 1,
    })
    if (memory === undefined) {
      const whole = { ...engine.config.geometryOf(config), writers: 1, slots: CLIENT_SLOT + clients }
      const geometry = borrows ? { ...whole, spares: 0, loans: 1 } : whole
      const extents = [{ blocks }, ...(hasMore ? [{ blocks: 1, offset: blocks * BLOCK }] : [])]
      this.arena = engine.format.formatArena(config, geometry, extents, 0, 0)
      const size = (blocks + extents.length - 1) * BLOCK
      const journal = options.isJournaled === true ? JOURNAL_BYTES : 0
      const sizes = [size, size, BLOCK, journal, journal]
      this.memory = [this.arena.buffer, ...sizes.map((bytes) => new SharedArrayBuffer(bytes))]
      if (journal > 0) {
        this.arena.words[this.arena.groupAt(0) + Group.recordMax] = RECORD_MAX
        engine.place.setPlace(this.arena, 0, { number: 1, half: 0, at: 0, turn: 1 })
      }
    } else {
      this.arena = engine.arena.Arena.open({ buffer: memory[0]! }, 0, 0)
      this.memory = memory
    }
    this.written = new Int32Array(this.memory[1]!)
    this.durable = new Int32Array(this.memory[2]!)
    this.notes = new Int32Array(this.memory[3]!)
    this.journal = { written: new Uint8Array(this.memory[4]!), durable: new Uint8Array(this.memory[5]!) }
    if (memory !== undefined) return
    for (let at = 0; at < this.written.length; at += BLOCK / 4) this.written[at + NUMBER] = (at * 4) / BLOCK
    this.durable.set(this.written)
    this.arena.words[this.arena.partitionAt(0) + PartitionWords.share] = Math.ceil(
      ((options.framesMax ?? 0) / frames) * 2 ** 30,
    )
    const { slots } = this.arena.geometry
    for (let slot = 0; slot < slots; slot++) engine.slot.attachSlot(this.arena, slot, slot + 1, slot + 1)
    const { data } = this.client(OWNER_SLOT)
    for (let block = 0; block < cached; block++) data.acquireSync(block, 'read').release()
    this.notes.fill(0)
  }

  context(slot: number): Context {
    const { context, slot: slots } = this.engine
    return new context.Context(this.arena, new slots.ThreadSlot(this.arena, slot), {
      writeOrder: ['data', 'directory'],
      policy: this.options.policy ?? 'lru2',
      deviceOf: ({ fd, offset }) => (fd === NEXT_FD ? this.#nextDevice() : this.#device(offset)),
      mayBlock: true,
      ...(this.options.isJournaled === true ? { journals: [this.#journalView()] } : {}),
    })
  }

  #journalView() {
    const { arena, journal } = this
    return {
      ...JOURNAL,
      path: 'journal',
      device: {
        writeSync: (sources: readonly Uint8Array[], position: number) => {
          let at = position
          for (const source of sources) {
            point(arena.words, 6)
            journal.written.set(source, at)
            at += source.length
          }
        },
        syncSync: () => {
          point(arena.words, 7)
          journal.durable.set(journal.written)
        },
      },
    }
  }

  /** A block as recovery would leave it: the newest durable record that has it, or what is in place. */
  #recovered(block: number): Int32Array {
    const { headerBytesIn, decodeRecord, isImage } = this.engine.record
    let found: Int32Array = this.durable.subarray((block * BLOCK) / 4, ((block + 1) * BLOCK) / 4)
    let number = 1
    for (let at = 0; ; number++) {
      const rest = this.journal.durable.slice(PAGE + at, PAGE + JOURNAL.halfBytes)
      const bytes = headerBytesIn(rest, { id: JOURNAL.id, half: 0 }, rest.length)
      const record =
        typeof bytes === 'string' ? undefined : decodeRecord(rest.subarray(0, bytes), at, rest.length)
      if (record?.number !== number) return found
      const imageOf = (i: number) =>
        rest.subarray(record.plan.positions[i], record.plan.positions[i]! + BLOCK)
      const all = Array.from(record.plan.positions, (_, i) => i)
      if (!all.every((i) => isImage(record, i, imageOf(i)))) return found
      const i = all.find((key) => record.keys.blocks[key] === block)
      if (i !== undefined) found = new Int32Array(imageOf(i).slice().buffer)
      at += Math.ceil(record.plan.bytes / PAGE) * PAGE
    }
  }

  client(slot: number): { context: Context; client: Client; data: Partition } {
    const context = this.context(slot)
    const client = new this.engine.client.Client(context)
    let data: Partition | undefined
    return {
      context,
      client,
      /** Looked up when it is first used: it may be dropped by then. */
      get data() {
        return (data ??= client.partition('data'))
      },
    }
  }

  /** The number that a block has in its first word. */
  numberIn(frame: number): number {
    return new Int32Array(this.arena.buffer, this.arena.view(frame, BLOCK).byteOffset, 1)[NUMBER]!
  }

  /** Of the partition that takes the number of one that was dropped. */
  #nextDevice(): Device {
    const readSync = (targets: readonly Uint8Array[], position: number) => {
      for (const [i, target] of targets.entries()) target.set(this.contents(NEXT + position / BLOCK + i, 0))
    }
    const none = () => undefined
    return { readSync, read: async (...args) => readSync(...args), writeSync: none, syncSync: none }
  }

  /** `start`: where the partition starts, in bytes. */
  #device(start: number): Device {
    const { written, durable, notes, arena, options } = this
    const { fails = false } = options
    const bytes = new Uint8Array(written.buffer)
    const assertOpen = () => {
      if (notes[Note.closed] === 1) throw new Error('a call through a descriptor that is closed')
    }
    const readSync = (targets: readonly Uint8Array[], position: number) => {
      let at = start + position
      for (const target of targets) {
        point(arena.words, 1)
        assertOpen()
        notes[at / BLOCK]!++
        target.set(bytes.subarray(at, at + target.length))
        at += target.length
      }
    }
    return {
      readSync,
      read: async (targets, position) => readSync(targets, position),
      writeSync: (sources, position) => {
        let at = start + position
        for (const source of sources) {
          point(arena.words, 2)
          assertOpen()
          bytes.set(source, at)
          at += source.length
        }
      },
      syncSync: () => {
        point(arena.words, 3)
        assertOpen()
        if (fails && start === 0) throw Object.assign(new Error('EIO'), { errno: -5, syscall: 'fsync' })
        durable.set(written)
      },
    }
  }

  /** Words whose values influence nothing in these bodies. */
  dull(): number[] {
    const { arena } = this
    const { slots } = arena.geometry
    const words: number[] = []
    for (let slot = 0; slot < slots; slot++) {
      const at = arena.slotAt(slot)
      words.push(at + Slot.inIo, at + Slot.guards, at + Slot.threadId)
      // Only clients wait for latches or serve waiting clients.
      if (slot < CLIENT_SLOT) words.push(at + Slot.waitsEnd)
      if (slot === OWNER_SLOT || slot === READER_SLOT) words.push(at + Slot.state)
      for (let index = 0; index < 4; index++) words.push(arena.waitAt(slot, index) + Wait.since)
    }
    for (let frame = 0; frame < arena.geometry.blocks; frame++) words.push(arena.frameAt(frame) + Frame.since)
    for (let at = arena.notesAt; at < arena.layout.counters / 4; at++) words.push(at)
    for (let at = arena.stallsAt; at < arena.framesAt; at++) words.push(at)
    return words
  }

  /** Reads a block's count. @throws if the block is not whole */
  check(words: Int32Array, block: number): number {
    const [number, count, again] = [NUMBER, COUNT, COUNT_AGAIN].map((at) => get(words as Words, at)) as [
      number,
      number,
      number,
    ]
    if (number !== block) throw new Error(`requested block ${block}, got ${number}`)
    if (count !== again) throw new Error(`block ${block} is half-changed: ${count} and ${again}`)
    return count
  }

  /** Changes a block as every body does; returns its new count. */
  bump(words: Words, block: number, by = 1): number {
    const count = this.check(words, block) + by
    put(words, COUNT, count)
    point(this.arena.words, 4)
    put(words, COUNT_AGAIN, count)
    return count
  }

  /** A whole block with this count. */
  contents(block: number, count: number): Uint8Array {
    const words = new Int32Array(BLOCK / 4)
    words[NUMBER] = block
    words[COUNT] = words[COUNT_AGAIN] = count
    return new Uint8Array(words.buffer)
  }

  /** The count of a block as a crash would leave it. */
  durableCount(block: number): number {
    const isJournaled = this.options.isJournaled === true
    const place = this.durable.subarray((block * BLOCK) / 4, ((block + 1) * BLOCK) / 4)
    return this.check(isJournaled ? this.#recovered(block) : place, block)
  }

  /** Called after a flush. @throws if the last change of block 0 by this client is not durable */
  assertDurable(block: number, client: number): void {
    const [durable, last] = [this.durableCount(block), this.lastOf(client)]
    if (durable < last) throw new Error(`durable after the flush: ${durable} of ${last} changes`)
  }

  /** Notes that a client has changed block 0, and the count. */
  changed(client: number, count: number): void {
    this.notes[Note.changes + client]!++
    this.notes[Note.last + client] = count
  }

  changesOf(client: number): number {
    return this.notes[Note.changes + client]!
  }

  /** The count of a client's last change. */
  lastOf(client: number): number {
    return this.notes[Note.last + client]!
  }

  readsOf(block: number): number {
    return this.notes[block]!
  }

  roles(clients: readonly ((client: ReturnType<Tiny['client']>, index: number) => void)[]): Role[] {
    return clients.map((run, i) => ({
      name: `client ${i}`,
      isMortal: true,
      run: () => {
        run(this.client(CLIENT_SLOT + i), i)
      },
    }))
  }

  /** Makes a body: at the end every invariant must hold, and no dead thread's slot may be left. */
  body(
    roles: readonly Role[],
    verify: (read: (block: number) => number, died: readonly string[]) => string[],
  ): Body {
    const { arena, engine } = this
    let owner: ReturnType<Tiny['client']> | undefined
    return {
      memory: this.memory,
      roles,
      dull: this.dull(),
      nameOf: wordNames(engine, arena),
      verify: (died) => {
        owner ??= this.client(OWNER_SLOT)
        const { context, data } = owner
        const broken = [...this.#left(died), ...engine.check.checkQuiet(context)]
        for (const name of died) {
          const slot = CLIENT_SLOT + Number(name.split(' ')[1])
          if (name.startsWith('client') && arena.words[arena.slotAt(slot) + Slot.state] !== SlotState.FREE)
            broken.push(`the slot of ${name} is not free`)
        }
        if (broken.length > 0) return broken
        const read = (block: number) => {
          const guard = data.acquireSync(block, 'read', { timeoutMs: 10 })
          try {
            return this.check(new Int32Array(arena.buffer, guard.data.byteOffset, BLOCK / 4), block)
          } finally {
            guard.release()
          }
        }
        try {
          return verify(read, died)
        } catch (error) {
          return [String(error)]
        }
      },
    }
  }

  /** Does what the checker does by taking the mutex. No thread needs the kick of one that died before it tried the mutex. */
  #left(died: readonly string[]): string[] {
    const { arena } = this
    const { words } = arena
    const at = arena.groupAt(0)
    const frames = words[arena.partitionAt(0) + PartitionWords.frames]!
    const { framesMax = Infinity } = this.options
    return [
      ...(frames <= framesMax ? [] : [`the partition has ${frames} frames, and may have ${framesMax}`]),
      ...(words[at + Group.pending] === 0 ? [] : ['a release was left to other threads, and none did it']),
      ...(words[at + Group.kicked] === 0 || died.length > 0
        ? []
        : ['a kick was left to other threads, and none did it']),
    ]
  }

  /** A target for the copy of a block, which is made in two halves with a point between them. */
  target(): Uint8Array<ArrayBuffer> {
    const { words } = this.arena
    const set = (target: Uint8Array, source: ArrayLike<number>) => {
      const bytes = source as Uint8Array
      Uint8Array.prototype.set.call(target, bytes.subarray(0, BLOCK / 2), 0)
      point(words, 5)
      Uint8Array.prototype.set.call(target, bytes.subarray(BLOCK / 2), BLOCK / 2)
    }
    const target = new Uint8Array(BLOCK)
    target.set = (source) => {
      set(target, source)
    }
    return target
  }

  /** A guard's bytes as words. */
  words(guard: { data: Uint8Array }): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.arena.buffer, guard.data.byteOffset, BLOCK / 4)
  }
}

/** The counts that a block may have: the changes of living threads, and for each dead one up to one more. */
export function between(what: string, count: number, least: number, most: number): string[] {
  return count >= least && count <= most ? [] : [`${what}: counted ${count}, not ${least} to ${most}`]
}
