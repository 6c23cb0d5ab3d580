/**
 * Formats the memory of a new engine: all lists and records as they are before the first block. Done once by the owner,
 * before any other thread has the buffer.
 */
import { store } from '#atomics'
import { Arena } from '../shared/arena.js'
import { blocksIn, type Config, shareOf } from '../shared/config.js'
import { CLASSES_MAX, EVENT_RECORD_WORDS, EVENTS_MAX, type Geometry } from '../shared/layout.js'
import { storeSettings } from '../shared/settings.js'
import { storeLimits } from './limits.js'
import { openRecord } from '../shared/partition-record.js'
import { Ring } from '../shared/ring.js'
import { formatTrace } from '../shared/trace.js'
import { DirtyLink, EngineState, Frame, Group, Header, Job, Spare, State } from '../shared/words.js'

/** Where a partition's blocks are. Without a file, in tests, only their number matters. */
export interface Extent {
  readonly blocks: number
  readonly fd?: number
  readonly offset?: number
}

/** `extents`: those of `config.partitions`, in the same order. @throws ERR_DCACHE_MEMORY */
export function formatArena(
  config: Config,
  geometry: Geometry,
  extents: readonly Extent[],
  idLow: number,
  idHigh: number,
): Arena {
  const isDirect = config.partitions.some((partition) => partition.direct)
  const inMemory = blocksIn(config.memoryBytes, geometry.frameSize, geometry.spares)
  const frames = Math.min(inMemory, geometry.blocks)
  const arena = Arena.create(geometry, idLow, idHigh, isDirect)
  config.partitions.forEach((partition, index) => {
    const { blocks, fd = -1, offset = 0 } = extents[index]!
    openRecord(arena, index, { ...partition, fd, offset, share: shareOf(partition, frames) }, blocks)
  })
  formatGroups(arena)
  // A writer keeps to the partition that it had last (writer-pool.ts).
  for (let writer = 0; writer < geometry.writers; writer++)
    arena.words[arena.jobAt(writer) + Job.partition] = writer
  formatFrames(arena, frames)
  storeSettings(arena.words, config.settings)
  storeLimits(arena, config.settings)
  eventsOf(arena).init()
  formatTrace(arena, config.traceBlocks)
  store(arena.words, Header.state, EngineState.OPEN)
  return arena
}

/** The ring of messages from the flush worker to the owner; see events.ts. */
export const eventsOf = (arena: Arena): Ring =>
  new Ring(arena.words, arena.eventsAt, EVENTS_MAX, EVENT_RECORD_WORDS)

/** Epochs begin at 1, and everything up to 0 is done. Spares are divided evenly among the groups. */
function formatGroups(arena: Arena): void {
  const { words, geometry } = arena
  const sparesOfGroup = geometry.spares / geometry.groups
  const loansOfGroup = geometry.loans / geometry.groups
  for (let group = 0; group < geometry.groups; group++) {
    const at = arena.groupAt(group)
    words[at + Group.epoch] = 1
    words.fill(DirtyLink.END, at + Group.dirtyHeads, at + Group.dirtyHeads + CLASSES_MAX)
    words[at + Group.spareCount] = sparesOfGroup
    for (let i = 0; i < sparesOfGroup; i++) {
      const spare = group * sparesOfGroup + i
      words[arena.spareAt(spare) + Spare.next] = words[at + Group.spareHead]!
      words[at + Group.spareHead] = spare + 1
    }
    for (let i = 0; i < loansOfGroup; i++) {
      const loan = geometry.spares + group * loansOfGroup + i
      words[arena.spareAt(loan) + Spare.next] = words[at + Group.loanHead]!
      words[at + Group.loanHead] = loan + 1
    }
  }
}

function formatFrames(arena: Arena, frames: number): void {
  const { words } = arena
  for (let frame = frames - 1; frame >= 0; frame--) {
    const at = arena.frameAt(frame)
    words[at + Frame.state] = State.ABSENT
    words[at + Frame.policySlot] = words[Header.freeHead]!
    words[Header.freeHead] = frame + 1
  }
  words[Header.freeCount] = frames
  words[Header.frames] = frames
}
