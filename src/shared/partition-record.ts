/**
 * The record of a partition in shared memory: all that a thread needs to use it. The owner writes a record while its standing
 * is FREE, and opens it last; from then on only the size changes. A number that is free again gets another generation, so a
 * thread can tell the partition that it knows from the next one with the same number.
 *
 *   FREE --opened by the owner--> OPEN --it is being dropped--> LEAVING --> FREE, of the next generation
 *                                   ^----it cannot be dropped----'
 */
import { load, loadInOrder, store } from '#atomics'
import type { Arena } from './arena.js'
import { PARTITION_NAME_BYTES } from './layout.js'
import { PartitionCounter } from './counter-words.js'
import { Header, Partition, PartitionState } from './words.js'

/** What is fixed of a partition while it is open. */
export interface PartitionRecord {
  readonly name: string
  readonly group: number
  readonly blockSize: number
  readonly readOnly: boolean
  /** The owner's file descriptor. All threads use it; only the owner closes it. */
  readonly fd: number
  /** Where the partition begins in its file, in bytes. */
  readonly offset: number
  /** Whether the descriptor was opened with O_DIRECT, which requires aligned memory. */
  readonly direct: boolean
  /** Whether its file has a mark, which tells that it belongs to a journal. */
  readonly marked?: boolean
  /** The share of all frames that it may have at most; 0: no limit. */
  readonly share: number
}

/** The word `standing`: the generation, and a PartitionState in the lower bits. */
export const stateIn = (standing: number): number => standing & PartitionState.MASK
export const generationIn = (standing: number): number => standing >>> PartitionState.BITS

const encoder = new TextEncoder()

/** `Partition.share` of all frames. */
const SHARE_ONE = 2 ** 30

/** How many of all frames a partition with this `Partition.share`, above 0, may have. */
export const framesIn = (share: number, frames: number): number => Math.floor((frames * share) / SHARE_ONE)

/** Opens a record. Called by the owner, or before any other thread has the buffer. @requires that its standing is FREE */
export function openRecord(arena: Arena, partition: number, record: PartitionRecord, blocks: number): void {
  const { words } = arena
  const at = arena.partitionAt(partition)
  const name = encoder.encode(record.name)
  arena.partitionName(partition).set(name)
  words.fill(0, at + Partition.group, at + Partition.WORDS)
  words[at + Partition.nameBytes] = name.length
  words[at + Partition.group] = record.group
  words[at + Partition.readOnly] = record.readOnly ? 1 : 0
  words[at + Partition.blockSize] = record.blockSize
  words[at + Partition.fd] = record.fd
  words[at + Partition.offsetLow] = record.offset | 0
  words[at + Partition.offsetHigh] = Math.floor(record.offset / 2 ** 32)
  words[at + Partition.direct] = record.direct ? 1 : 0
  words[at + Partition.marked] = record.marked === true ? 1 : 0
  words[at + Partition.share] = Math.ceil(record.share * SHARE_ONE)
  clearStatistics(arena, partition)
  storeBlocks(arena, partition, blocks)
  store(words, at + Partition.standing, load(words, at + Partition.standing) | PartitionState.OPEN)
  if (partition >= load(words, Header.partitionsEnd)) store(words, Header.partitionsEnd, partition + 1)
}

/** The counters of a number are never reset, since other threads write them: its next partition counts from here on. */
function clearStatistics(arena: Arena, partition: number): void {
  arena.words.fill(0, arena.latencyAt(partition), arena.latencyAt(partition + 1))
  const baseAt = arena.partitionBaseAt(partition)
  const base = arena.partitionCounters.subarray(baseAt, baseAt + PartitionCounter.COUNT)
  base.forEach((_, counter) => (base[counter] = countOf(arena, partition, counter)))
}

/** A counter of a number, of all threads and of all partitions that had it. */
export function countOf(arena: Arena, partition: number, counter: number): number {
  let sum = 0
  for (let slot = 0; slot < arena.geometry.slots; slot++)
    sum += arena.partitionCounters[arena.partitionCountersAt(slot, partition) + counter]!
  return sum
}

/** Reads a record. Its owner may be replacing it: what was read counts only if the standing is the same before and after. */
export function readRecord(arena: Arena, partition: number): PartitionRecord {
  const { words } = arena
  const at = arena.partitionAt(partition)
  const name = Buffer.from(arena.partitionName(partition)) // a copy, because it may change while it is decoded
  return {
    name: name.toString('utf8', 0, Math.min(words[at + Partition.nameBytes]!, PARTITION_NAME_BYTES)),
    group: words[at + Partition.group]!,
    blockSize: words[at + Partition.blockSize]!,
    readOnly: words[at + Partition.readOnly] === 1,
    fd: words[at + Partition.fd]!,
    offset: (words[at + Partition.offsetLow]! >>> 0) + words[at + Partition.offsetHigh]! * 2 ** 32,
    direct: words[at + Partition.direct] === 1,
    marked: words[at + Partition.marked] === 1,
    share: words[at + Partition.share]! / SHARE_ONE,
  }
}

/** The number of blocks at this moment. Two words: read again if the upper one has changed in between. */
export function blocksIn({ words, partitionsAt }: Arena, partition: number): number {
  const at = partitionsAt + partition * Partition.WORDS
  for (;;) {
    const high = loadInOrder(words, at + Partition.blocksHigh)
    const low = loadInOrder(words, at + Partition.blocksLow)
    if (loadInOrder(words, at + Partition.blocksHigh) === high) return (low >>> 0) + high * 2 ** 32
  }
}

/** Changes the number of blocks. Called by the owner. */
export function storeBlocks(arena: Arena, partition: number, blocks: number): void {
  const at = arena.partitionAt(partition)
  store(arena.words, at + Partition.blocksLow, blocks | 0)
  store(arena.words, at + Partition.blocksHigh, Math.floor(blocks / 2 ** 32))
}
