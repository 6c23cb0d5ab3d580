/**
 * The parts of the engine that the harness uses, from the compiled copy in a given folder: the shipped one, or one with a
 * seeded mistake (variants.ts).
 */
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import type * as CheckModule from '#dist/core/inspect/check.js'
import type * as ClientModule from '#dist/core/client/client.js'
import type * as ContextModule from '#dist/core/context.js'
import type * as FlusherModule from '#dist/core/write-back/flusher.js'
import type * as ForgetModule from '#dist/core/blocks/forget.js'
import type * as FormatModule from '#dist/core/format.js'
import type * as RetryModule from '#dist/core/changes/retry.js'
import type * as WriterModule from '#dist/core/write-back/writer.js'
import type * as ArenaModule from '#dist/shared/arena.js'
import type * as ConfigModule from '#dist/shared/config.js'
import type * as LayoutModule from '#dist/shared/layout.js'
import type * as SlotModule from '#dist/shared/slot.js'
import type * as WaitModule from '#dist/shared/wait.js'

export type Engine = Awaited<ReturnType<typeof loadEngine>>

/** `dist` is the folder of compiled files. */
export async function loadEngine(dist: string) {
  const load = async <T>(path: string): Promise<T> =>
    (await import(pathToFileURL(join(dist, path)).href)) as T
  return {
    ...(await load<typeof ContextModule>('core/context.js')),
    ...(await load<typeof ClientModule>('core/client/client.js')),
    ...(await load<typeof FlusherModule>('core/write-back/flusher.js')),
    ...(await load<typeof WriterModule>('core/write-back/writer.js')),
    ...(await load<typeof FormatModule>('core/format.js')),
    ...(await load<typeof ForgetModule>('core/blocks/forget.js')),
    ...(await load<typeof RetryModule>('core/changes/retry.js')),
    ...(await load<typeof CheckModule>('core/inspect/check.js')),
    ...(await load<typeof ArenaModule>('shared/arena.js')),
    ...(await load<typeof ConfigModule>('shared/config.js')),
    ...(await load<typeof LayoutModule>('shared/layout.js')),
    ...(await load<typeof SlotModule>('shared/slot.js')),
    ...(await load<typeof WaitModule>('shared/wait.js')),
  }
}
