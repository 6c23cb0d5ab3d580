/**
 * The parts of the engine that the harness puts together, from the compiled copy in a given folder: the shipped one, or
 * one with a mistake put in (variants.ts).
 */
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import type * as CheckModule from '#dist/core/check.js'
import type * as ClientModule from '#dist/core/client.js'
import type * as CoreModule from '#dist/core/core.js'
import type * as FlusherModule from '#dist/core/flusher.js'
import type * as ForgetModule from '#dist/core/forget.js'
import type * as FormatModule from '#dist/core/format.js'
import type * as RetryModule from '#dist/core/retry.js'
import type * as WriterModule from '#dist/core/writer.js'
import type * as ArenaModule from '#dist/shared/arena.js'
import type * as ConfigModule from '#dist/shared/config.js'
import type * as LayoutModule from '#dist/shared/layout.js'
import type * as SlotModule from '#dist/shared/slot.js'
import type * as WaitModule from '#dist/shared/wait.js'

export type Engine = Awaited<ReturnType<typeof loadEngine>>

/** `dist`: the folder of compiled files. */
export async function loadEngine(dist: string) {
  const load = async <T>(path: string): Promise<T> =>
    (await import(pathToFileURL(join(dist, path)).href)) as T
  return {
    ...(await load<typeof CoreModule>('core/core.js')),
    ...(await load<typeof ClientModule>('core/client.js')),
    ...(await load<typeof FlusherModule>('core/flusher.js')),
    ...(await load<typeof WriterModule>('core/writer.js')),
    ...(await load<typeof FormatModule>('core/format.js')),
    ...(await load<typeof ForgetModule>('core/forget.js')),
    ...(await load<typeof RetryModule>('core/retry.js')),
    ...(await load<typeof CheckModule>('core/check.js')),
    ...(await load<typeof ArenaModule>('shared/arena.js')),
    ...(await load<typeof ConfigModule>('shared/config.js')),
    ...(await load<typeof LayoutModule>('shared/layout.js')),
    ...(await load<typeof SlotModule>('shared/slot.js')),
    ...(await load<typeof WaitModule>('shared/wait.js')),
  }
}
