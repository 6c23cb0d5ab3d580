/**
 * The tables of `dcache top`: partitions, groups, threads and latencies, each as columns of which a narrow terminal leaves some out.
 */
import type { MonitorHold as SampleHold } from '../monitor/protocol.js'
import { printable } from '../nbd/printable.js'
import type { IntervalLatency } from './top-latency.js'
import type { Figure, GroupModel, PartitionModel, ThreadModel } from './top-report.js'
import { bytesCell, type Column, countCell, msCell, percentCell } from './top-text.js'

const NAME_LEAST = 12

interface SortKey {
  /** As the screen and `--sort` call it. */
  readonly name: string
  readonly of: (partition: PartitionModel) => Figure | string
}

/** In the order of the key `s`. */
export const SORT_KEYS: readonly SortKey[] = [
  { name: 'lookups', of: (partition) => partition.lookupsPerSecond },
  { name: 'hits', of: (partition) => partition.hitRatio },
  { name: 'read', of: (partition) => partition.perSecond.diskReadBytes },
  { name: 'written', of: (partition) => partition.perSecond.diskWriteBytes },
  { name: 'dirty', of: (partition) => partition.dirty },
  { name: 'cached', of: (partition) => partition.cached },
  { name: 'fsync', of: (partition) => partition.fsync.p99Ms },
  { name: 'name', of: (partition) => partition.name },
]

/** Names from A, numbers from the largest; reversed the other way. Equal ones by name, unknown ones last. */
export function sorted(
  partitions: readonly PartitionModel[],
  key: number,
  isReversed: boolean,
): PartitionModel[] {
  const { of } = SORT_KEYS[key]!
  const turn = isReversed ? -1 : 1
  return [...partitions].sort((a, b) => {
    const [x, y] = [of(a), of(b)]
    const byName = compare(a.name, b.name)
    if (x === y) return byName
    if (x === null || y === null) return x === null ? 1 : -1
    return turn * (typeof x === 'number' ? (y as number) - x : byName)
  })
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export function partitionColumns(all: readonly PartitionModel[]): Column<PartitionModel>[] {
  const isGrouped = all.some(({ group }) => group !== '')
  const columns: (Column<PartitionModel> | false)[] = [
    { head: 'partition', rank: 0, isName: true, least: NAME_LEAST, cell: ({ name }) => printable(name) },
    isGrouped && { head: 'group', rank: 10, isName: true, least: 6, cell: ({ group }) => printable(group) },
    all.some(({ isFenced }) => isFenced) && {
      head: '', rank: 1, isName: true, least: 6, cell: ({ isFenced }) => (isFenced ? 'FENCED' : ''),
    }, // prettier-ignore
    { head: 'lookups/s', rank: 2, least: 9, cell: ({ lookupsPerSecond }) => countCell(lookupsPerSecond) },
    { head: 'hits', rank: 3, least: 6, cell: ({ hitRatio }) => percentCell(hitRatio) },
    { head: 'cached', rank: 8, least: 6, cell: ({ cached }) => countCell(cached) },
    { head: 'pool', rank: 7, least: 6, cell: ({ poolShare }) => percentCell(poolShare) },
    { head: 'dirty', rank: 6, least: 5, cell: ({ dirty }) => countCell(dirty) },
    { head: 'read/s', rank: 4, least: 7, cell: ({ perSecond }) => bytesCell(perSecond.diskReadBytes) },
    { head: 'write/s', rank: 5, least: 7, cell: ({ perSecond }) => bytesCell(perSecond.diskWriteBytes) },
    { head: 'fsync p99', rank: 9, least: 9, cell: ({ fsync }) => msCell(fsync.p99Ms) },
    { head: 'read p99', rank: 11, least: 8, cell: ({ read }) => msCell(read.p99Ms) },
    { head: 'fsyncs/s', rank: 12, least: 8, cell: ({ perSecond }) => countCell(perSecond.fsyncs) },
    { head: 'blocks', rank: 13, least: 6, cell: ({ blocks }) => countCell(blocks) },
    { head: 'block size', rank: 14, least: 10, cell: ({ blockSize }) => bytesCell(blockSize) },
  ]
  return columns.filter((column) => column !== false)
}

export const groupColumns = (head: string): Column<GroupModel>[] => [
  {
    head,
    rank: 0,
    isName: true,
    least: NAME_LEAST,
    cell: ({ name }) => (name === '' ? '(default)' : printable(name)),
  },
  { head: 'dirty', rank: 1, least: 5, cell: ({ dirty }) => countCell(dirty) },
  { head: 'limit', rank: 2, least: 5, cell: ({ dirtyLimit }) => countCell(dirtyLimit) },
  { head: 'full', rank: 4, least: 6, cell: ({ dirtyShare }) => percentCell(dirtyShare) },
  {
    head: 'spares free',
    rank: 5,
    least: 11,
    cell: ({ sparesFree, sparesTotal }) => `${countCell(sparesFree)} of ${countCell(sparesTotal)}`,
  },
  { head: 'rounds/s', rank: 6, least: 8, cell: ({ roundsPerSecond }) => countCell(roundsPerSecond) },
  {
    head: 'journal',
    rank: 3,
    least: 8,
    cell: ({ journal }) => (journal === null ? 'none' : percentCell(journal.usedShare)),
  },
]

export interface LatencyRow {
  readonly name: string
  readonly latency: IntervalLatency
}

export const LATENCY_COLUMNS: readonly Column<LatencyRow>[] = [
  { head: 'latency', rank: 0, isName: true, least: 13, cell: ({ name }) => name },
  { head: 'per s', rank: 3, least: 5, cell: ({ latency }) => countCell(latency.perSecond) },
  { head: 'p50', rank: 2, least: 6, cell: ({ latency }) => msCell(latency.p50Ms) },
  { head: 'p99', rank: 1, least: 6, cell: ({ latency }) => msCell(latency.p99Ms) },
  { head: 'max', rank: 1, least: 6, cell: ({ latency }) => msCell(latency.maxMs) },
]

/** A wait of a thread; further waits of the same thread have a line each. */
export interface ThreadRow {
  readonly thread: ThreadModel
  readonly wait: ThreadModel['waits'][number] | undefined
  readonly isFirst: boolean
}

/** The names that the engine's threads have. */
const OF_ENGINE = /^(flush worker|writer \d+|reader)$/

/** Those in a cycle first, then those that wait, and the engine's idle ones last; otherwise by slot. */
export function threadRows(threads: readonly ThreadModel[]): ThreadRow[] {
  const rank = ({ name, waits }: ThreadModel) => {
    if (waits.length > 0) return waits.some(({ cycle }) => cycle.length > 0) ? 0 : 1
    return OF_ENGINE.test(name) ? 3 : 2
  }
  return [...threads]
    .sort((a, b) => rank(a) - rank(b) || a.slot - b.slot)
    .flatMap((thread): ThreadRow[] =>
      thread.waits.length === 0
        ? [{ thread, wait: undefined, isFirst: true }]
        : thread.waits.map((wait, i) => ({ thread, wait, isFirst: i === 0 })),
    )
}

export function threadColumns(threads: readonly ThreadModel[]): Column<ThreadRow>[] {
  const names = new Map(threads.map(({ slot, name }) => [slot, name]))
  const ofSlot = (slot: number) => printable(`${slot} ${names.get(slot) ?? ''}`.trim())
  return [
    { head: 'thread', rank: 0, isName: true, least: 10, cell: ({ thread, isFirst }) => (isFirst ? threadName(thread) : '') },
    { head: 'waits for', rank: 1, isName: true, least: 14, cell: ({ wait }) => (wait === undefined ? '' : objectOf(wait)) },
    { head: 'since', rank: 3, isName: true, least: 6, cell: ({ wait }) => (wait === undefined ? '' : msCell(wait.sinceMs ?? null)) },
    {
      head: 'held by',
      rank: 2,
      isName: true,
      least: 8,
      cell: ({ wait }) =>
        wait === undefined
          ? ''
          : [
              wait.heldBy.map(ofSlot).join(', '),
              ...(wait.cycle.length > 0 ? [`CYCLE ${wait.cycle.join(' > ')}`] : []),
            ].filter((part) => part !== '').join('  '), // prettier-ignore
    },
    {
      head: 'holds',
      rank: 4,
      isName: true,
      least: 16,
      cell: ({ thread, isFirst }) => (isFirst ? holdsOf(thread) : ''),
    },
  ] // prettier-ignore
}

const threadName = ({ slot, name, alive }: ThreadModel): string =>
  printable(`${String(slot).padStart(3)} ${alive ? '' : '(dead) '}${name}`)

function holdsOf({ holdCount, holds }: ThreadModel): string {
  if (holds.length === 0) return holdCount === null || holdCount === 0 ? '' : countCell(holdCount)
  const more = (holdCount ?? 0) - holds.length
  return holds.map(objectOf).join(', ') + (more > 0 ? `, ${more} more` : '')
}

function objectOf({ mode, partition, block }: SampleHold): string {
  if (partition !== undefined) return printable(`${mode} ${partition}:${block ?? '?'}`)
  return Object.hasOwn(WANTED, mode) ? WANTED[mode]! : printable(mode)
}

/** What is waited for, if it is not a block. */
const WANTED: Readonly<Record<string, string>> = {
  read: 'a block to read',
  modify: 'a block to modify',
  frame: 'a free frame',
  dirty: 'the dirty limit',
  spare: 'a spare frame',
  flush: 'a flush',
  mutex: 'a lock',
}
