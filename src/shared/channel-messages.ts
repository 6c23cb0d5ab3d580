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

/**
 * The channels of node:diagnostics_channel, and the messages that are published there. Those that have a cache are published in
 * the owner's thread, the others in the thread of the call.
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
  /** The flush worker cannot be replaced: nothing is written any more. */
  'dcache:broken': { cache: BlockCache; error: unknown }
}
