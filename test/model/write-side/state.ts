/**
 * One state of the model: every word that the write side shares, what is on disk, and where each actor stands, in one
 * `Uint8Array`. A record is a set of named places; a frame, a spare, a client and a writer are records that repeat. What
 * belongs to a block stands last, so that a scenario with fewer blocks has shorter states.
 *
 * A block is two halves. A half holds the number of the version that last changed it, so that torn and mixed images show.
 */

export const CLIENTS = 2
export const PARTITIONS = 2
export const SPARES_MAX = 3
/** A block may be changed so many times, less one. */
export const VERSIONS = 6
const BLOCKS_MAX = 3

export type State = Uint8Array<ArrayBuffer>

/** Names for places in a row; `size` is how many there are. */
function record<const Names extends readonly string[]>(
  start: number,
  ...names: Names
): Readonly<Record<Names[number] | 'size', number>> {
  const places = Object.fromEntries(names.map((name, i) => [name, start + i]))
  return Object.assign(places, { size: names.length }) as Record<Names[number] | 'size', number>
}

/** Who may have the mutex or a latch: a client is 1 + its index. */
export const FLUSH_WORKER = CLIENTS + 1
export const WRITERS = CLIENTS + 2
export const ENVIRONMENT = WRITERS + PARTITIONS

export const Group = record(
  0,
  'mutex', // 0 free, else who has it
  'epoch',
  'cut', // 0 none
  'bound', // images stamped up to here are kept until they are durable
  'want',
  'done',
  'fenced', // one bit a partition
  'failures',
  'failedTo', // the last of them spoke for what was stamped up to here
  'pending', // stack of releases that wait for the mutex: block plus one
  'settling', // the part of it that the holder of the mutex finishes
)

/** Where the flush worker is. */
export const Phase = { IDLE: 0, WRITING: 1, FINISHING: 2, DEAD: 3, NEW: 4 } as const
export const Round = record(Group.size, 'phase', 'stage', 'spokeFor')

/** How often each thing may still happen. */
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
  'operation', // place in its script
  'step', // within the operation
  'target', // of a flush, or of a wait for a class change
  'failures', // as they were then
)
const clientsAt = Budget.clientDeaths + Budget.size
export const clientAt = (client: number): number => clientsAt + client * Client.size

export const Job = { IDLE: 0, PICK: 1, FIRST_HALF: 2, SECOND_HALF: 3, SYNC: 4, DEAD: 5 } as const
export const Result = { NONE: 0, OK: 1, FAILED: 2 } as const
export const Writer = record(
  0,
  'job', // Job
  'blocks', // of the whole job, one bit each
  'left', // not yet written
  'block',
  'source', // a spare, or one of the two below
  'copied', // two halves: an undo, copied under the mutex; that of a declared range with the half around it
  'copied2',
  'wrote', // what the first half held
  'result',
)
export const FROM_FRAME = 255
export const FROM_COPY = 254
const writersAt = clientsAt + CLIENTS * Client.size
export const writerAt = (partition: number): number => writersAt + partition * Writer.size

/** What a spare holds of its block. */
export const WHOLE = 0
export const Spare = record(
  0,
  'free',
  'half', // contents
  'half2',
  'epoch', // stamp
  'class', // 0: not owed
  'next',
  'range', // WHOLE, or 1 + the half that it holds
)
const sparesAt = writersAt + PARTITIONS * Writer.size
/** Spares are numbered from 1. */
export const spareAt = (spare: number): number => sparesAt + (spare - 1) * Spare.size

/** `Frame.released`: given back as it was. */
export const RELEASED_UNCHANGED = 255
const FRAME_WORDS = [
  'latch',
  'pins', // only writers pin here
  'half', // contents
  'half2',
  'epoch', // stamp; with the next three the state word, changed in one step each
  'class', // 0: clean
  'changing',
  'absent',
  'undo',
  'aside',
  'listed', // in the dirty list
  'released',
  'pendingNext',
  'planned', // class of the stage that writes it in this round, 0: none
  'wasWritten', // for mistakes alone
] as const
/** What a half of a block may be on disk after a crash now. */
const DISK_WORDS = [
  'possible', // one bit a version
  'possible2',
  'cached', // what the system's page holds
  'cached2',
  'unsynced', // whether the page differs
  'unsynced2',
] as const
/** What the model itself remembers, to judge by. */
const HISTORY_WORDS = [
  'committed', // the newest version
  'acknowledged', // the newest that a flush answered for
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
/** What a half of a version holds. */
export const contentOf = (block: number, version: number, half: number): number =>
  blockAt(block) + contentAt + version * 2 + half
export const classOfVersion = (block: number, version: number): number => blockAt(block) + classAt + version
/** The version of `other` that has to be durable before this one is on disk. */
export const needOf = (block: number, version: number, other: number): number =>
  blockAt(block) + needAt + version * BLOCKS_MAX + other

/** Whole words, for the hash. */
export const stateSize = (blocks: number): number => (blockAt(blocks) + 3) & ~3
