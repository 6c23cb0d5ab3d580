// A cache's memory and one thread's context, without files, workers or an owner, for tests of single modules.

import { Context } from '#dist/core/context.js'
import type { Device } from '#dist/core/device/device.js'
import { formatArena } from '#dist/core/format.js'
import { Arena } from '#dist/shared/arena.js'
import { geometryOf, parseOptions } from '#dist/shared/config.js'
import type { CacheOptions } from '#dist/shared/options.js'
import { attachSlot } from '#dist/shared/slot.js'

const WRITE_ORDER = ['data', 'directory', 'trailer']

/** Valid options, with the changes that a test wants. */
export function options(more: Partial<CacheOptions> = {}): CacheOptions {
  return { memory: 64 * 512, partitions: { a: { path: 'a', blockSize: 512 } }, ...more }
}

/** Freshly formatted memory; every partition has `blocks` blocks. */
export function smallArena(more: Partial<CacheOptions> = {}, blocks = 1000): Arena {
  const config = parseOptions(options(more))
  const extents = config.partitions.map(() => ({ blocks }))
  return formatArena(config, geometryOf(config), extents, 1, 2)
}

/** Opens a buffer as another thread does. */
export const openSmall = (buffer: SharedArrayBuffer): Arena => Arena.open({ buffer }, 1, 2)

/**
 * A thread's context in a slot of its own. Its devices refuse every call. `firstSlot`: where to look for one; the first slots of a
 * cache that runs belong to its engine.
 */
export function smallContext(
  arena: Arena,
  policy: 'lru2' | 'adaptive' = 'adaptive',
  mayBlock = true,
  firstSlot = 0,
): Context {
  const { slots } = arena.geometry
  const refuse = (): never => {
    throw new Error('no device here')
  }
  const device: Device = { readSync: refuse, read: refuse, writeSync: refuse, syncSync: refuse }
  return new Context(arena, attachSlot(arena, firstSlot, slots, 0), {
    writeOrder: WRITE_ORDER,
    policy,
    deviceOf: () => device,
    mayBlock,
  })
}
