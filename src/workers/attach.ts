/**
 * Attaching a thread: makes views, a slot and a client from a handle. The handle is checked against its buffer: magic,
 * version, id and geometry.
 */
import { load } from '#atomics'
import { types } from 'node:util'
import { threadId } from 'node:worker_threads'
import { ringBell } from '../core/wait/bell.js'
import { Client } from '../core/client/client.js'
import { Context, type JournalView, notOpenError } from '../core/context.js'
import { FileDevice } from '../core/device/file-device.js'
import { Arena } from '../shared/arena.js'
import { show } from '../shared/values.js'
import { CacheError } from '../shared/errors.js'
import type { CacheClient, CacheHandle } from '../shared/interface.js'
import { firstClientSlot, NAME_BYTES, VERSION } from '../shared/layout.js'
import type { ThreadSlot } from '../shared/slot.js'
import { watchWorkers } from './adopt.js'
import { askOwner } from './owner-calls.js'
import { waitForSlot } from './slot-wait.js'
import { EngineState, Header, Slot, SlotState } from '../shared/words.js'

export interface AttachOptions {
  /**
   * false: this thread must never block. A Sync call that would have to wait, or to read from the disk, throws
   * ERR_DCACHE_WOULD_BLOCK. Default: true. Always false on the owner's thread, and in a thread in which another copy of the
   * package has attached with false.
   */
  mayBlock?: boolean
  /** The name of this thread in error messages and in holders(): 1 to 64 bytes of UTF-8, without control characters. */
  name?: string
}

const clients = new Map<string, Client>()

/**
 * Attaches the calling thread to the cache of a handle, and returns its client. A second call in the same thread returns the
 * same client. If all slots are in use, but threads that had some have ended, blocks until a slot is free: up to 5 s, or 50
 * ms with `mayBlock: false`.
 * @throws ERR_DCACHE_BAD_HANDLE, _VERSION, _BAD_OPTION, _CLOSED, _ORPHANED, _WORKER_DIED, _THREADS
 */
export function attachCache(handle: CacheHandle, options: AttachOptions = {}): CacheClient {
  const arena = openArena(handle)
  forgetClosed()
  if (load(arena.words, Header.state) !== EngineState.OPEN) {
    clients.delete(handle.id)
    throw notOpenError(arena.words)
  }
  const { mayBlock = true, name } = options
  if (name !== undefined) assertName(name)
  const known = clients.get(handle.id)
  if (known && !known.isDetached) {
    if (name !== undefined) known.rename(name)
    return known
  }
  const neverBlocks = !mayBlock || threadNeverBlocks(arena)
  const slot = waitForSlot(arena, firstClientSlot(arena.geometry), threadId, name, !neverBlocks)
  arena.words[slot.at + Slot.neverBlocks] = neverBlocks ? 1 : 0
  ringBell(arena) // the flush worker checks whether the threads of used slots still exist
  const context = contextOf(handle, arena, slot, !neverBlocks)
  const client = new Client(context, () => {
    forgetClient(handle.id)
  })
  registerClient(handle.id, client)
  return client
}

/**
 * Whether this thread has a slot already that never blocks, taken by another copy of the package, which is not in `clients`.
 * Only this thread writes the words of such a slot, so they do not change concurrently.
 */
function threadNeverBlocks(arena: Arena): boolean {
  const { words, geometry } = arena
  for (let slot = 0; slot < geometry.slots; slot++) {
    const at = arena.slotAt(slot)
    const isOwn = load(words, at + Slot.state) === SlotState.LIVE && words[at + Slot.threadId] === threadId
    if (isOwn && words[at + Slot.neverBlocks] === 1) return true
  }
  return false
}

// A thread that created a cache's owner tells all others of its end. If no such thread is attached, the threads that wait
// detect it (core/wait/watch.ts). Registered at the import, because the owner's thread is usually older than the cache.
watchWorkers((ended) => {
  for (const client of clients.values()) client.threadEnded(ended)
})

function assertName(name: unknown): void {
  const bytes = typeof name === 'string' ? Buffer.byteLength(name) : 0
  if (bytes > 0 && bytes <= NAME_BYTES && !/\p{Cc}/u.test(name as string)) return
  throw new CacheError(
    'ERR_DCACHE_BAD_OPTION',
    `name is ${show(name)}; it must be a string of 1 to ${NAME_BYTES} bytes in UTF-8, without control characters`,
  )
}

/** Registers the owner's client, so that attachCache in the owner's thread returns it. */
export function registerClient(id: string, client: Client): void {
  clients.set(id, client)
}

/** Forgets clients of closed caches that did not detach, so that their buffers can be collected. */
function forgetClosed(): void {
  for (const [id, client] of clients) if (client.isClosed) clients.delete(id)
}

/** Forgets a client, so that its buffer can be collected. */
export function forgetClient(id: string): void {
  clients.delete(id)
}

export function contextOf(handle: CacheHandle, arena: Arena, slot: ThreadSlot, mayBlock: boolean): Context {
  const context: Context = new Context(arena, slot, {
    writeOrder: handle.writeOrder,
    groups: handle.groups,
    policy: handle.policy,
    deviceOf: ({ fd, offset, direct }) => new FileDevice(fd, offset, direct),
    journals: journalsOf(handle),
    mayBlock,
    resize: ({ index, generation }, what, blocks, timeoutMs) =>
      askOwner(context, handle.id, { what, partition: index, generation, blocks, timeoutMs }),
  })
  return context
}

function journalsOf({ journals }: CacheHandle): JournalView[] {
  const views: JournalView[] = []
  for (const { group, path, fd, id, halfBytes } of journals)
    views[group] = { path, id: Buffer.from(id, 'hex'), halfBytes, device: new FileDevice(fd, 0) }
  return views
}

/** Checks a handle and opens its buffer. @throws ERR_DCACHE_BAD_HANDLE, ERR_DCACHE_VERSION */
export function openArena(handle: CacheHandle): Arena {
  const isHandle =
    typeof handle === 'object' &&
    (handle as unknown) !== null &&
    types.isSharedArrayBuffer(handle.buffer) &&
    typeof handle.id === 'string'
  if (!isHandle)
    throw new CacheError(
      'ERR_DCACHE_BAD_HANDLE',
      `the handle is ${show(handle)}; it must be the \`handle\` of a cache from openCache()`,
    )
  if (handle.dcache !== VERSION) {
    throw new CacheError(
      'ERR_DCACHE_VERSION',
      `the handle has memory map version ${show(handle.dcache)}, but this thread's dcache has version ${VERSION}; use the same version of dcache in all threads`,
    )
  }
  const id = idWords(handle.id)
  return Arena.open(handle, id.low, id.high)
}

/** An id as it is in the header. */
export function idWords(id: string): { low: number; high: number } {
  return { low: parseInt(id.slice(8, 16), 16) | 0, high: parseInt(id.slice(0, 8), 16) | 0 }
}
