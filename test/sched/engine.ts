// The compiled engine, or a changed copy of it (variants.ts).

import { posix } from 'node:path'
import type { Body, MakeBody } from './body.js'
import type * as bellModule from '#dist/core/wait/bell.js'
import type * as checkModule from '#dist/core/inspect/check.js'
import type * as placeModule from '#dist/core/journal/place.js'
import type * as journalRecordModule from '#dist/core/journal/record.js'
import type * as dropModule from '#dist/core/partitions/drop.js'
import type * as shrinkModule from '#dist/core/partitions/shrink.js'
import type * as engineStateModule from '#dist/shared/engine-state.js'
import type * as recordModule from '#dist/shared/partition-record.js'
import type * as clientModule from '#dist/core/client/client.js'
import type * as contextModule from '#dist/core/context.js'
import type * as flusherModule from '#dist/core/write-back/flusher.js'
import type * as forgetModule from '#dist/core/blocks/forget.js'
import type * as formatModule from '#dist/core/format.js'
import type * as readerModule from '#dist/core/prefetch/reader.js'
import type * as reaperModule from '#dist/core/recovery/reaper.js'
import type * as pendingModule from '#dist/core/changes/pending.js'
import type * as releaseModule from '#dist/core/changes/release.js'
import type * as roundsModule from '#dist/core/changes/rounds.js'
import type * as writerModule from '#dist/core/write-back/writer.js'
import type * as arenaModule from '#dist/shared/arena.js'
import type * as conditionModule from '#dist/shared/condition.js'
import type * as configModule from '#dist/shared/config.js'
import type * as latchModule from '#dist/shared/latch.js'
import type * as layoutModule from '#dist/shared/layout.js'
import type * as mutexModule from '#dist/shared/mutex.js'
import type * as ringModule from '#dist/shared/ring.js'
import type * as roundModule from '#dist/shared/round.js'
import type * as slotModule from '#dist/shared/slot.js'
import type * as stampModule from '#dist/shared/stamp.js'
import type * as waitModule from '#dist/shared/wait.js'

export interface Engine {
  readonly bell: typeof bellModule
  readonly arena: typeof arenaModule
  readonly condition: typeof conditionModule
  readonly config: typeof configModule
  readonly latch: typeof latchModule
  readonly layout: typeof layoutModule
  readonly mutex: typeof mutexModule
  readonly ring: typeof ringModule
  readonly round: typeof roundModule
  readonly slot: typeof slotModule
  readonly stamp: typeof stampModule
  readonly wait: typeof waitModule
  readonly check: typeof checkModule
  readonly place: typeof placeModule
  readonly record: typeof journalRecordModule
  readonly drop: typeof dropModule
  readonly shrink: typeof shrinkModule
  readonly engineState: typeof engineStateModule
  readonly partitionRecord: typeof recordModule
  readonly client: typeof clientModule
  readonly context: typeof contextModule
  readonly flusher: typeof flusherModule
  readonly forget: typeof forgetModule
  readonly format: typeof formatModule
  readonly pending: typeof pendingModule
  readonly reader: typeof readerModule
  readonly reaper: typeof reaperModule
  readonly release: typeof releaseModule
  readonly rounds: typeof roundsModule
  readonly writer: typeof writerModule
}

/** The modules of the engine, by their paths without the ending. */
export const MODULES = [
  ...[
    'arena',
    'condition',
    'config',
    'engine-state',
    'latch',
    'layout',
    'mutex',
    'partition-record',
    'ring',
    'round',
    'slot',
    'stamp',
    'wait',
  ].map((name) => `shared/${name}`),
  'core/blocks/forget',
  'core/changes/pending',
  'core/changes/release',
  'core/changes/rounds',
  'core/client/client',
  'core/context',
  'core/format',
  'core/inspect/check',
  'core/journal/place',
  'core/journal/record',
  'core/partitions/drop',
  'core/partitions/shrink',
  'core/prefetch/reader',
  'core/recovery/reaper',
  'core/wait/bell',
  'core/write-back/flusher',
  'core/write-back/writer',
]

/** The key of a module in Engine. */
export const keyOf = (module: string): string =>
  posix.basename(module).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())

/** A body by its module and name, over the engine in a file that has all modules (variants.ts). */
export async function loadBody(
  name: string,
  engine: string,
  memory?: readonly SharedArrayBuffer[],
): Promise<Body> {
  const [file = '', key = ''] = name.split('.')
  const { bodies } = (await import(`./bodies/${file}.js`)) as {
    bodies: Readonly<Record<string, MakeBody>>
  }
  const make = bodies[key]
  if (make === undefined) throw new Error(`no body ${name}; there are ${Object.keys(bodies).join(', ')}`)
  return make(await loadEngine(engine), memory)
}

export const loadEngine = async (engine: string): Promise<Engine> => (await import(engine)) as Engine
