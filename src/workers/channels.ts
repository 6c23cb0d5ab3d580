/**
 * What the owner tells through channels of node:diagnostics_channel, for monitoring that has no cache to listen to. Nothing
 * of it is on the path of a block. Without subscribers a message costs an object and a look at a property.
 */
import { channel } from 'node:diagnostics_channel'
import type { CacheChannels } from '../shared/channel-messages.js'

/** The others are published where they happen (core/told.ts). */
type OwnerChannel = Exclude<keyof CacheChannels, 'dcache:miss' | 'dcache:stall' | 'dcache:round'>

const CHANNELS = {
  'dcache:opened': channel('dcache:opened'),
  'dcache:closed': channel('dcache:closed'),
  'dcache:fenced': channel('dcache:fenced'),
  'dcache:retry': channel('dcache:retry'),
  'dcache:restored': channel('dcache:restored'),
  'dcache:recovered': channel('dcache:recovered'),
  'dcache:workerDied': channel('dcache:workerDied'),
  'dcache:threadFailed': channel('dcache:threadFailed'),
  'dcache:broken': channel('dcache:broken'),
} satisfies Record<OwnerChannel, unknown>

/** Owner's thread. An exception that a subscriber throws is an uncaught exception of the process; the engine goes on. */
export function publish<N extends OwnerChannel>(name: N, message: CacheChannels[N]): void {
  const of = CHANNELS[name]
  if (of.hasSubscribers) of.publish(message)
}
