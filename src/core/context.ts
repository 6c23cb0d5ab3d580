/**
 * A thread's context: the shared memory as one attached thread sees it, with its slot, its locks and its devices. Every
 * function of the cache takes it as the first argument. Only the memory that the arena points to is shared between threads.
 */
import { fenceStores, load, loadInOrder, type Words } from '#atomics'
import type { Arena } from '../shared/arena.js'
import { Condition } from '../shared/condition.js'
import { CacheError } from '../shared/errors.js'
import { blockIn, partitionIn } from '../shared/key.js'
import { DEBUG, Mutex, RANK } from '../shared/mutex.js'
import type { PolicyName } from '../shared/options.js'
import { Round } from '../shared/round.js'
import type { ThreadSlot } from '../shared/slot.js'
import { PLACE_CLASS } from '../shared/stamp.js'
import { isLatched, tryLatch, writerOf } from '../shared/latch.js'
import { LatchQueue } from '../shared/latch-queue.js'
import type { FrameIndex, SpareIndex } from '../shared/indices.js'
import { Tracer, tracesBlocks } from '../shared/trace.js'
import { wakeAllWaits } from '../shared/waits.js'
import type { Device } from './device/device.js'
import { tracedDevice, tracedJournal } from './device/traced-device.js'
import type { RoundNews } from '../shared/channel-messages.js'
import type { FileHeader } from './journal/file-header.js'
import { PartitionTable, type PartitionView, type Place } from './partition-table.js'
import { policyOf } from './policy/policies.js'
import type { Policy } from './policy/policy.js'
import { Shares } from './policy/shares.js'
import { EngineState, Frame, Group, Header, Slot, SlotState } from '../shared/words.js'

export type { PartitionView } from './partition-table.js'

/** Sets the number of blocks, or adds to it; resolves to the number of blocks before. */
export type Resize = (
  partition: PartitionView,
  what: 'resize' | 'extend',
  blocks: number,
  timeoutMs: number,
) => Promise<number>

export interface ContextOptions {
  readonly writeOrder: readonly string[]
  /** The names of the groups, by number. Default: that of partitions without one. */
  readonly groups?: readonly string[]
  readonly policy: PolicyName
  /** Makes the device of a partition, for this thread. */
  readonly deviceOf: (place: Place) => Device
  /** Whether this thread may sleep on a word and make synchronous system calls. */
  readonly mayBlock: boolean
  /** The journals of groups that have one, by the number of the group. */
  readonly journals?: readonly (JournalView | undefined)[]
  /** Has the owner set the size of a partition, or add to it; see `Partition.resize`. */
  readonly resize?: Resize
}

/** The journal of a group, as a thread that writes records sees it. */
export interface JournalView extends FileHeader {
  readonly path: string
  readonly device: Pick<Device, 'writeSync' | 'syncSync'>
}

/** How often calls of this thread have passed the writer that is waiting for a frame. */
export interface Passes {
  /** When the writer that has waited longest began to wait. */
  readonly since: number
  count: number
}

/** The spares of one group that a thread keeps (changes/spares.ts). */
export interface OwnSpares {
  /** Those that no block uses. */
  readonly idle: SpareIndex[]
  /** Those that it has, idle or in use; -1 until it has looked for what the slot's former thread has left. */
  count: number
}

export class Context {
  readonly arena: Arena
  readonly words: Words
  /** From the arena, for the hit path. */
  readonly framesAt: number
  readonly bucketsAt: number
  readonly buckets: number
  /** Whether there is a flight recorder; and whether it has the points of single blocks, which are on the hit path. */
  readonly isTraced: boolean
  readonly tracesBlocks: boolean
  readonly slot: ThreadSlot
  readonly mayBlock: boolean
  readonly writeOrder: readonly string[]
  /** The names of the groups, by number. */
  readonly groups: readonly string[]
  readonly partitions: PartitionTable
  /** Set by the owner's thread once it can do that itself. */
  resize: Resize
  /** By group; undefined for groups without one. */
  readonly journals: readonly (JournalView | undefined)[]
  readonly policyMutex: Mutex
  readonly stripes: readonly Mutex[]
  /** One per group. */
  readonly roundMutexes: readonly Mutex[]
  /** Signalled when a frame may have become free. */
  readonly freed: Condition
  /** The rounds of each group. Their condition is also signalled when the dirty count or a fence changes. */
  readonly rounds: readonly Round[]
  /** Per group, for each class: how far it and those before it are durable (changes/through.ts). The condition is that of `rounds`. */
  readonly throughs: readonly (readonly Round[])[]
  /** Per group: signalled when a spare was released, or when waiting for one has become pointless. */
  readonly spareFreed: readonly Condition[]
  /** Per group: the spares that this thread keeps. */
  readonly ownSpares: readonly OwnSpares[]
  readonly policy: Policy
  readonly shares: Shares
  readonly tracer: Tracer
  /** Waiting writers that calls of this thread have passed; see pass.ts. */
  readonly passes = new Map<FrameIndex, Passes>()
  /** Releases latches for this thread, and waits for them. */
  readonly latches: LatchQueue
  /** Set in the flush worker: hands a round that is over to the owner's thread. */
  handRound: ((round: RoundNews) => void) | undefined
  /** Set under a round mutex when the flush worker has work; unlockRound then rings the bell. */
  bellDue = false
  /** Set under a round mutex when a spare was released; unlockRound then signals it. */
  spareFreedDue = false

  constructor(arena: Arena, slot: ThreadSlot, options: ContextOptions) {
    const { words, geometry } = arena
    this.arena = arena
    this.words = words
    this.framesAt = arena.framesAt
    this.bucketsAt = arena.bucketsAt
    this.buckets = geometry.buckets
    this.slot = slot
    this.mayBlock = options.mayBlock
    this.writeOrder = options.writeOrder
    this.groups = options.groups ?? ['']
    this.tracer = new Tracer(arena, slot.index)
    this.isTraced = geometry.traceEntries > 0
    this.tracesBlocks = tracesBlocks(arena)
    const { tracer } = this
    const { deviceOf } = options
    this.partitions = new PartitionTable(
      arena,
      slot.index,
      this.isTraced ? (place) => tracedDevice(deviceOf(place), tracer, place) : deviceOf,
    )
    this.resize = options.resize ?? noResize
    const { journals = [] } = options
    this.journals = this.isTraced
      ? journals.map(
          (journal, group) => journal && { ...journal, device: tracedJournal(journal.device, tracer, group) },
        )
      : journals
    this.policyMutex = new Mutex(words, Header.policyMutex, RANK.policy, 'policy')
    this.stripes = Array.from(
      { length: geometry.stripes },
      (_, i) => new Mutex(words, arena.stripeAt(i), RANK.stripe, `stripe ${i}`),
    )
    this.roundMutexes = Array.from(
      { length: geometry.groups },
      (_, i) => new Mutex(words, arena.groupAt(i) + Group.mutex, RANK.round, `round ${i}`),
    )
    this.freed = new Condition(words, Header.freed, Header.freedWaiters)
    this.rounds = Array.from({ length: geometry.groups }, (_, i) => {
      const at = arena.groupAt(i)
      return new Round(words, {
        want: at + Group.want,
        done: at + Group.done,
        failures: at + Group.failures,
        failedTo: at + Group.failedTo,
        turn: at + Group.turn,
        turnWaiters: at + Group.turnWaiters,
      })
    })
    this.throughs = Array.from({ length: geometry.groups }, (_, i) => {
      const at = arena.groupAt(i)
      return Array.from({ length: geometry.classes }, (_, place) => {
        return new Round(words, {
          want: at + Group.throughWant + place,
          done: at + Group.throughDone + place,
          failures: at + Group.partialFailures,
          failedTo: at + Group.partialFailedTo,
          turn: at + Group.turn,
          turnWaiters: at + Group.turnWaiters,
        })
      })
    })
    this.spareFreed = Array.from({ length: geometry.groups }, (_, i) => {
      const at = arena.groupAt(i)
      return new Condition(words, at + Group.spareFreed, at + Group.spareWaiters)
    })
    this.ownSpares = Array.from({ length: geometry.groups }, () => ({ idle: [], count: -1 }))
    this.policy = policyOf(options.policy, arena, slot)
    this.shares = new Shares(arena)
    this.latches = new LatchQueue(arena, slot.index, slot.published)
  }

  /** A frame's bytes as a block of this partition. */
  view(partition: PartitionView, frame: FrameIndex): Uint8Array<SharedArrayBuffer> {
    return partition.views.get(frame)
  }

  /** The largest read-ahead window at this moment; 0 is no read-ahead. */
  get readAheadBytes(): number {
    return this.words[Header.readAheadBytes]!
  }

  /** Throws unless the engine is open. Costs a load, so every path can afford it. */
  assertOpen(): void {
    if (loadInOrder(this.words, Header.state) !== EngineState.OPEN) throw this.notOpen()
  }

  /** Whether changes are still written. True while the cache is closing, because closing flushes. */
  get isRunning(): boolean {
    const state = load(this.words, Header.state)
    return state === EngineState.OPEN || state === EngineState.CLOSING
  }

  /** Throws if nothing is written any more. */
  assertRunning(): void {
    if (!this.isRunning) throw this.notOpen()
  }

  notOpen(): CacheError {
    return notOpenError(this.words)
  }

  /** For messages and reports: a class of `writeOrder`; with a journal, what was to be done with the block. */
  className(group: number, writeClass: number): string {
    if (this.words[this.arena.groupAt(group) + Group.recordMax] === 0) return this.writeOrder[writeClass - 1]!
    return writeClass === PLACE_CLASS ? 'place' : 'journal'
  }

  /** For messages: `block 12 of 'data'`, the block that a frame holds. */
  describe(frame: FrameIndex): string {
    const at = this.arena.frameAt(frame)
    const name = this.partitions.find(partitionOf(this.words, at))?.name
    return name === undefined ? `frame ${frame}` : `block ${blockOf(this.words, at)} of '${name}'`
  }
}

const noResize = (): never => {
  throw new Error('contract: this thread has no owner')
}

/** Wakes all threads that wait for anything, because the state of the engine has changed. */
export function wakeAll({ arena, freed, rounds, spareFreed }: Context): void {
  for (const condition of [freed, ...rounds, ...spareFreed]) condition.broadcast()
  wakeAllWaits(arena)
}

/** The error for an engine that is not open. */
export function notOpenError(words: Words): CacheError {
  switch (load(words, Header.state)) {
    case EngineState.BROKEN:
      return new CacheError(
        'ERR_DCACHE_WORKER_DIED',
        'threads of the engine end repeatedly or cannot be started; nothing is written any more; abandon() lists what is lost',
      )
    case EngineState.ORPHANED:
      return new CacheError(
        'ERR_DCACHE_ORPHANED',
        'the thread that owned the cache has ended; open the cache again',
      )
    default:
      return new CacheError('ERR_DCACHE_CLOSED', 'the cache is closed or closing')
  }
}

/** The block number in a frame's key. */
export const blockOf = (words: Words, frameAt: number): number =>
  blockIn(words[frameAt + Frame.keyHigh]!, words[frameAt + Frame.keyLow]!)

/** The partition in a frame's key, -1 if it has none. */
export const partitionOf = (words: Words, frameAt: number): number =>
  partitionIn(words[frameAt + Frame.keyHigh]!)

/**
 * Takes a frame's exclusive latch if it is free; returns whether it did. The version is incremented before anything of the
 * frame can change, so that a thread that copies the block without a pin notices.
 */
export function enter({ words, framesAt, slot }: Context, frame: FrameIndex): boolean {
  const at = framesAt + frame * Frame.WORDS
  if (!tryLatch(words, at + Frame.latch, slot.index)) return false
  entered(words, at)
  return true
}

/** Increments the version of a frame that was just latched, before anything of it is changed. @requires the frame's latch */
export function entered(words: Words, frameAt: number): void {
  fenceStores(words, frameAt + Frame.latch)
  words[frameAt + Frame.version]!++
}

/** Releases the exclusive latch, and wakes threads that wait for a free frame. @requires the frame's latch */
export function leave(context: Context, frame: FrameIndex): void {
  context.latches.unlatch(frame)
  context.freed.signal()
}

/**
 * In debug builds, throws unless this thread has the frame's exclusive latch, or a dead thread has it, for which the reaper acts.
 * Otherwise costs a test of a constant.
 */
export function assertLatched({ words, arena, slot }: Context, frame: FrameIndex): void {
  if (!DEBUG) return
  // A plain read, as in the assertions of mutex.ts.
  const word = words[arena.latchAt(frame)]!
  const writer = writerOf(word)
  if (
    isLatched(word) &&
    (writer === slot.index || words[arena.slotAt(writer) + Slot.state] === SlotState.DEAD)
  )
    return
  throw new Error(`contract: frame ${frame} is not latched by slot ${slot.index}`)
}

/** As `assertLatched`, for several frames. */
export function assertAllLatched(context: Context, frames: readonly FrameIndex[]): void {
  if (DEBUG) for (const frame of frames) assertLatched(context, frame)
}
