/** What is published on the channels of node:diagnostics_channel. Part of the public interface. Types only. */
import type { BlockCache } from './interface.js'
import type { CacheEvents } from './reports.js'

/** Blocks that were not cached and are filled now. */
export interface MissMessage {
  readonly partition: string
  /** The first of them. */
  readonly block: number
  readonly blocks: number
  /** From the call until the blocks were filled. */
  readonly durationMs: number
}

/** A wait of 10 ms or more that is over. */
export interface StallMessage {
  /** What it was for: a block that others hold, a frame, the dirty limit, a spare, a short lock, a round. */
  readonly cause: 'latch' | 'frame' | 'dirtyLimit' | 'spare' | 'mutex' | 'flush'
  readonly durationMs: number
  /** Of a wait for a block. */
  readonly partition?: string
  readonly block?: number
}

/** A round that is over. */
export interface RoundMessage {
  /** The name of the group; '' for that of partitions without one. */
  readonly group: string
  /**
   * `full` wrote all that was dirty when it began, `partial` the classes that a flush asked for. With a journal, `record` wrote a
   * record, and `places` the blocks of older records in place.
   */
  readonly kind: 'full' | 'partial' | 'record' | 'places'
  readonly blocks: number
  readonly durationMs: number
  /** False: a write or an fsync failed, and what was not written stays dirty. */
  readonly isDone: boolean
  /** Rounds before it that were not told, because the owner's thread was too busy to hear of them. */
  readonly untold: number
}

/** A round as the flush worker hands it to the owner's thread. */
export interface RoundNews extends Omit<RoundMessage, 'group' | 'untold'> {
  /** The number of the group. */
  readonly group: number
}

/**
 * The channels of node:diagnostics_channel, and the messages that are published there. Those that have a cache are published in
 * the owner's thread, the others in the thread of the call; of rounds those that the engine's own thread has run are published in the
 * owner's thread.
 */
export interface CacheChannels {
  /** Right before `openCache` resolves. */
  'dcache:opened': { cache: BlockCache }
  /** After `close` or `abandon` has stopped the engine. */
  'dcache:closed': { cache: BlockCache }
  'dcache:fenced': CacheEvents['fenced'] & { cache: BlockCache }
  /** `retry` was called. What follows is `restored`, or `fenced` again. */
  'dcache:retry': { cache: BlockCache; partition: string }
  'dcache:restored': CacheEvents['restored'] & { cache: BlockCache }
  'dcache:recovered': CacheEvents['recovered'] & { cache: BlockCache }
  'dcache:workerDied': CacheEvents['workerDied'] & { cache: BlockCache }
  /** A thread of the engine has ended or could not be started. It is replaced; `failures` is the number in a row. */
  'dcache:threadFailed': { cache: BlockCache; thread: string; failures: number; error: unknown }
  'dcache:miss': MissMessage
  'dcache:stall': StallMessage
  'dcache:round': RoundMessage
  /** The flush worker cannot be replaced: nothing is written any more. */
  'dcache:broken': { cache: BlockCache; error: unknown }
}
