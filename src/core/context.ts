/**
 * A thread's context: the shared words seen by one attached thread, with its slot, its locks and its devices. All
 * functions of the cache take it first. Nothing in it is shared but what the arena points at.
 */
import { load, type Words } from '#atomics'
import type { Arena } from '../shared/arena.js'
import { Condition } from '../shared/condition.js'
import { CacheError } from '../shared/errors.js'
import { blockIn, partitionIn } from '../shared/key.js'
import { Mutex, RANK } from '../shared/mutex.js'
import { Round } from '../shared/round.js'
import type { ThreadSlot } from '../shared/slot.js'
import { tryLatch } from '../shared/latch.js'
import { LatchQueue } from '../shared/latch-queue.js'
import type { FrameIndex } from '../shared/indices.js'
import { Tracer } from '../shared/trace.js'
import { wakeAllWaits } from '../shared/waits.js'
import type { Device } from './device/device.js'
import { FrameViews } from './frame-views.js'
import { policyOf } from './policy/policies.js'
import type { Policy } from './policy/policy.js'
import { EngineState, Frame, Group, Header, Partition } from '../shared/words.js'

/** What is fixed of a partition, and its device as this thread sees it. */
export interface PartitionView {
  readonly index: number
  readonly name: string
  readonly group: number
  readonly blockSize: number
  readonly blocks: number
  readonly readOnly: boolean
  readonly device: Device
  /** Views of the frames, as long as this partition's blocks; shared by all partitions with that block size. */
  readonly views: FrameViews
}

export interface ContextOptions {
  readonly names: readonly string[]
  readonly writeOrder: readonly string[]
  readonly policy: 'lru2' | '2q'
  readonly devices: readonly Device[]
  /** Whether this thread may sleep on a word and call the system synchronously. */
  readonly mayBlock: boolean
  /** The largest window that is read ahead of a sequence; default 0, none. */
  readonly readAheadBytes?: number
}

/** How often calls of this thread have passed the writer that waits for a frame now. */
export interface Passes {
  /** Of the writer that has waited longest. */
  readonly since: number
  count: number
}

export class Context {
  readonly arena: Arena
  readonly words: Words
  /** Of the arena, for the hit path. */
  readonly framesAt: number
  readonly bucketsAt: number
  readonly buckets: number
  readonly isTraced: boolean
  readonly slot: ThreadSlot
  readonly mayBlock: boolean
  readonly readAheadBytes: number
  readonly writeOrder: readonly string[]
  readonly partitions: readonly PartitionView[]
  readonly policyMutex: Mutex
  readonly stripes: readonly Mutex[]
  /** One for each group. */
  readonly roundMutexes: readonly Mutex[]
  /** A frame may have become free. */
  readonly freed: Condition
  /** The rounds of each group; their condition moves with the dirty count and the fences too. */
  readonly rounds: readonly Round[]
  /** A spare of a group came back, or there will be none. */
  readonly spareFreed: readonly Condition[]
  readonly policy: Policy
  readonly tracer: Tracer
  /** Writers that calls of this thread have passed; see pass.ts. */
  readonly passes = new Map<FrameIndex, Passes>()
  /** How this thread leaves latches, and waits for them. */
  readonly latches: LatchQueue
  /** Set under a round mutex: the flush worker has work; rung after unlock. */
  bellDue = false
  /** Set under a round mutex: a spare came back; signalled after unlock. */
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
    this.readAheadBytes = options.readAheadBytes ?? 0
    this.writeOrder = options.writeOrder
    const views = new Map<number, FrameViews>()
    const viewsOf = (blockSize: number): FrameViews => {
      const known = views.get(blockSize) ?? new FrameViews(arena, blockSize)
      views.set(blockSize, known)
      return known
    }
    this.partitions = options.names.map((name, index) => {
      const at = arena.partitionAt(index)
      return {
        index,
        name,
        group: words[at + Partition.group]!,
        blockSize: words[at + Partition.blockSize]!,
        blocks: (words[at + Partition.blocksLow]! >>> 0) + words[at + Partition.blocksHigh]! * 2 ** 32,
        readOnly: words[at + Partition.readOnly] === 1,
        device: options.devices[index]!,
        views: viewsOf(words[at + Partition.blockSize]!),
      }
    })
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
    this.spareFreed = Array.from({ length: geometry.groups }, (_, i) => {
      const at = arena.groupAt(i)
      return new Condition(words, at + Group.spareFreed, at + Group.spareWaiters)
    })
    this.policy = policyOf(options.policy, arena, slot)
    this.latches = new LatchQueue(arena, slot.index, slot.published)
    this.tracer = new Tracer(arena, slot.index)
    this.isTraced = geometry.traceEntries > 0
  }

  /** The bytes of a frame as this partition sees them. */
  view(partition: PartitionView, frame: FrameIndex): Uint8Array<SharedArrayBuffer> {
    return partition.views.get(frame)
  }

  /** Throws unless the engine is open: a plain load, for every path. */
  assertOpen(): void {
    if (this.words[Header.state] !== EngineState.OPEN) throw this.notOpen()
  }

  /** Whether changes are still written; a cache that is closing still flushes. */
  get isRunning(): boolean {
    const state = load(this.words, Header.state)
    return state === EngineState.OPEN || state === EngineState.CLOSING
  }

  /** Throws when nothing is written any more. */
  assertRunning(): void {
    if (!this.isRunning) throw this.notOpen()
  }

  notOpen(): CacheError {
    return notOpenError(this.words)
  }

  /** `block 12 of 'data'` for the block that a frame holds; for messages. */
  describe(frame: FrameIndex): string {
    const at = this.arena.frameAt(frame)
    const name = this.partitions[partitionOf(this.words, at)]?.name
    return name === undefined ? `frame ${frame}` : `block ${blockOf(this.words, at)} of '${name}'`
  }
}

/** Wakes everyone who waits for something of the engine: its state has changed. */
export function wakeAll({ arena, freed, rounds, spareFreed }: Context): void {
  for (const condition of [freed, ...rounds, ...spareFreed]) condition.broadcast()
  wakeAllWaits(arena)
}

/** Why an engine is not open. */
export function notOpenError(words: Words): CacheError {
  switch (load(words, Header.state)) {
    case EngineState.BROKEN:
      return new CacheError(
        'ERR_DCACHE_WORKER_DIED',
        'the flush worker keeps ending, or can not be started; nothing is written any more',
      )
    case EngineState.ORPHANED:
      return new CacheError('ERR_DCACHE_ORPHANED', 'the thread that owned the cache ended')
    default:
      return new CacheError('ERR_DCACHE_CLOSED', 'the cache is closed')
  }
}

/** The block number in a frame's name. */
export const blockOf = (words: Words, frameAt: number): number =>
  blockIn(words[frameAt + Frame.keyHigh]!, words[frameAt + Frame.keyLow]!)

/** The partition in a frame's name, -1 if it has none. */
export const partitionOf = (words: Words, frameAt: number): number =>
  partitionIn(words[frameAt + Frame.keyHigh]!)

/**
 * Gets the exclusive latch, if nobody is in. The version moves before anything of the frame can: who copies without a
 * pin sees one or the other.
 */
export function enter({ words, framesAt, slot }: Context, frame: FrameIndex): boolean {
  const at = framesAt + frame * Frame.WORDS
  if (!tryLatch(words, at + Frame.latch, slot.index)) return false
  words[at + Frame.version]!++
  return true
}

/** Gives the exclusive latch up, and tells those who wait for a frame. @requires the frame's latch */
export function leave(context: Context, frame: FrameIndex): void {
  context.latches.unlatch(frame)
  context.freed.signal()
}
