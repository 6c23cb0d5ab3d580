/**
 * One state of the model in one `Uint8Array`: every word that the write side shares, the contents of the disk, and the
 * position of each actor. A record is a set of named indices; there are several frames, spares, clients and writers. The
 * records of blocks are last, so that a scenario with fewer blocks has shorter states.
 *
 * A block is two halves. A half holds the number of the version that last changed it, so that torn and mixed images show.
 */

export const CLIENTS = 2
export const PARTITIONS = 2
export const SPARES_MAX = 4
/** The number of versions of a block, the initial one included. */
export const VERSIONS = 6
const BLOCKS_MAX = 3

export type State = Uint8Array<ArrayBuffer>

/** Names for consecutive indices; `size` is their number. */
function record<const Names extends readonly string[]>(
  start: number,
  ...names: Names
): Readonly<Record<Names[number] | 'size', number>> {
  const places = Object.fromEntries(names.map((name, i) => [name, start + i]))
  return Object.assign(places, { size: names.length }) as Record<Names[number] | 'size', number>
}

/** The possible holders of the mutex or a latch; a client is 1 + its index. */
export const FLUSH_WORKER = CLIENTS + 1
export const WRITERS = CLIENTS + 2
export const ENVIRONMENT = WRITERS + PARTITIONS

export const Group = record(
  0,
  'mutex', // 0 if free, otherwise its holder
  'epoch',
  'cut', // 0 none
  'bound', // images stamped up to here are kept until they are durable
  'want',
  'done',
  'fenced', // one bit for each partition
  'failures',
  'failedTo', // the last failure covered stamps up to here
  'pending', // the stack of deferred releases: block + 1
  'settling', // the part of it that the holder of the mutex is finishing
)

/** The position of the flush worker. */
export const Phase = {
  IDLE: 0,
  WRITING: 1,
  FINISHING: 2,
  DEAD: 3,
  NEW: 4,
  CUT_EPOCH: 5,
  CUT_BOUND: 6,
  CLEANING: 7,
} as const
export const Round = record(Group.size, 'phase', 'stage', 'spokeFor', 'chosen')

/** How often each event may still happen. */
export const Budget = record(
  Round.phase + Round.size,
  'clientDeaths',
  'flushWorkerDeaths',
  'writerDeaths',
  'failedWrites',
  'failedSyncs',
  'retries',
  'evictions',
  'kicks',
)

export const Life = { LIVE: 0, DEAD: 1, REAPED: 2 } as const
export const Client = record(
  0,
  'life',
  'operation', // index in its script
  'step', // within the operation
  'target', // of a flush, or of a wait for a class change
  'failures', // the count at that time
  'epoch', // what a change without the mutex has read: the group's epoch, then the frame's state
  'stamp',
  'class',
  'older',
)
const clientsAt = Budget.clientDeaths + Budget.size
export const clientAt = (client: number): number => clientsAt + client * Client.size

export const Job = {
  IDLE: 0,
  PICK: 1,
  FIRST_HALF: 2,
  SECOND_HALF: 3,
  SYNC: 4,
  DEAD: 5,
  COPY_FIRST: 6,
  COPY_SECOND: 7,
} as const
export const Result = { NONE: 0, OK: 1, FAILED: 2 } as const
export const Writer = record(
  0,
  'job', // Job
  'blocks', // those of the whole job, a bit each
  'left', // not yet written
  'block',
  'source', // a spare, or one of the two below
  'copied', // two halves: an undo, copied under the mutex, and completed if it is of a declared range
  'copied2',
  'wrote', // the version that was written to the first half
  'result',
)
export const FROM_FRAME = 255
export const FROM_COPY = 254
const writersAt = clientsAt + CLIENTS * Client.size
export const writerAt = (partition: number): number => writersAt + partition * Writer.size

/** A spare, with an image of its block. */
export const WHOLE = 0
export const Spare = record(
  0,
  'free',
  'half', // contents
  'half2',
  'epoch', // stamp
  'class', // 0 if there is no image to be written
  'older', // it stands for an older image too, which was unwritten and within the bound
  'next',
  'range', // WHOLE, or 1 + the half that it holds
  'owner', // the client whose own it is, 0 none
)
const sparesAt = writersAt + PARTITIONS * Writer.size
/** Spares are numbered from 1. */
export const spareAt = (spare: number): number => sparesAt + (spare - 1) * Spare.size

/** `Frame.undo`: no undo, the change is rolled forward. */
export const INTENT = 255

/** `Frame.released`: released unchanged. */
export const RELEASED_UNCHANGED = 255
const FRAME_WORDS = [
  'latch',
  'pins', // pins of writers only
  'half', // contents
  'half2',
  'epoch', // the stamp; it and the next five form the state word and change in one step
  'class', // 0: clean
  'older', // as in Spare
  'changing',
  'taken', // a writer has taken the undo
  'absent',
  'undo',
  'saved',
  'listed', // in the dirty list
  'released',
  'pendingNext',
  'planned', // class of the stage that writes it in this round, 0: none
  'wasWritten', // for mistakes only, as is the next
  'seenWithin',
] as const
/** The versions that a half of a block may have on disk after a crash now. */
const DISK_WORDS = [
  'possible', // one bit for each version
  'possible2',
  'cached', // the version in the system's page cache
  'cached2',
  'unsynced', // whether the page differs
  'unsynced2',
] as const
/** What the model remembers to judge the protocol. */
const HISTORY_WORDS = [
  'committed', // the newest version
  'acknowledged', // the newest that a flush acknowledged
  'forgotten', // no version matters until the next one
] as const
export const Block = record(0, ...FRAME_WORDS, ...DISK_WORDS, ...HISTORY_WORDS)
const seenAt = Block.size
const contentAt = seenAt + CLIENTS
const classAt = contentAt + VERSIONS * 2
const needAt = classAt + VERSIONS
const BLOCK_SIZE = needAt + VERSIONS * BLOCKS_MAX
const blocksAt = sparesAt + SPARES_MAX * Spare.size

export const blockAt = (block: number): number => blocksAt + block * BLOCK_SIZE
/** The version of a block that was the newest when this client's flush began. */
export const seenBy = (block: number, client: number): number => blockAt(block) + seenAt + client
/** The contents of a half of a version. */
export const contentOf = (block: number, version: number, half: number): number =>
  blockAt(block) + contentAt + version * 2 + half
export const classOfVersion = (block: number, version: number): number => blockAt(block) + classAt + version
/** The version of `other` that must be durable before this one is on disk. */
export const needOf = (block: number, version: number, other: number): number =>
  blockAt(block) + needAt + version * BLOCKS_MAX + other

/** The length in whole words, for the hash. */
export const stateSize = (blocks: number): number => (blockAt(blocks) + 3) & ~3
