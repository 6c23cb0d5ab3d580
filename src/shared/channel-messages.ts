/** What is published on the channels of node:diagnostics_channel. Part of the public interface. Types only. */
import type { BlockCache } from './interface.js'
import type { CacheEvents } from './reports.js'

/**
 * The channels of node:diagnostics_channel, and the messages that are published there, in the owner's thread. Each message
 * has the cache that it is about.
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
  /** The flush worker cannot be replaced: nothing is written any more. */
  'dcache:broken': { cache: BlockCache; error: unknown }
}
