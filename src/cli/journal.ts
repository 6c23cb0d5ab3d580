/**
 * `dcache journal FILE`: prints what the journal of a group holds, and what the next opening would do with it. It only reads, takes
 * no claim and needs no partition, so it also works on a copy, and on the journal of a cache that is open: there a record that
 * is being written shows as torn.
 */
import { Command } from 'commander'
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { idText } from '../core/journal/file-header.js'
import { replayOrder } from '../core/journal/recover.js'
import { type HalfState, scanJournal, type TornRecord } from '../core/journal/scan.js'
import { FileStorage } from '../core/journal/storage.js'
import { printable, printableJson, printableLines } from '../nbd/printable.js'
import { readHeader } from '../workers/journal-file.js'
import { columnsOf, listText, paint, tableText } from './terminal.js'
import { bytesText, countText } from './units.js'

const EXIT_DAMAGED = 1
const EXIT_USAGE = 2

interface JournalOptions {
  readonly json: boolean
  readonly blocks: boolean
}

/** A partition that a record has blocks of, as it was when the record was made. */
export interface PartitionInRecord {
  readonly name: string
  readonly blockSize: number
  /** The length of the partition, in blocks. */
  readonly length: number
  /** Where it begins in its file, bytes. */
  readonly offset: number
  /** Whether its file had a mark of the journal. */
  readonly marked: boolean
  /** How many of its blocks the record has. */
  readonly blocks: number
}

export interface RecordReport {
  readonly half: number
  readonly state: 'whole' | 'torn'
  /** Why it is torn. */
  readonly why: string | null
  /** The number of the record, if its header is whole; so with the next ones. */
  readonly number: number | null
  readonly bytes: number | null
  readonly partitions: readonly PartitionInRecord[]
  /** With --blocks: each block of the record. */
  readonly blocks?: readonly { readonly partition: string; readonly block: number; readonly whole: boolean }[]
}

/** The object that --json prints. */
export interface JournalReport {
  readonly path: string
  readonly id: string
  readonly bytes: number
  readonly halfBytes: number
  /** As they follow each other in half 0, then in half 1. */
  readonly records: readonly RecordReport[]
  /** The numbers of the records that the next opening writes in place again, in this order. */
  readonly replay: readonly number[]
  /** Why the journal would be refused. */
  readonly problem: string | null
}

export function journalCommand(): Command {
  return new Command('journal')
    .description(
      'Show what the journal of a group holds, and what the next opening of its cache would write in place again.\n\n' +
        'Only reads. A torn record is what a crash leaves of a write that was not acknowledged; damage to a whole record looks ' +
        'the same.',
    )
    .argument('<file>', 'the journal')
    .option('--blocks', 'list each block of the records', false)
    .option('--json', 'print one JSON object', false)
    .addHelpText(
      'after',
      '\nExit codes: 0 all records are whole, 1 one is torn or the numbers of the halves overlap, 2 the file is not ' +
        'a journal, or cannot be read.',
    )
    .action(async (path: string, options: JournalOptions) => {
      process.exitCode = await showJournal(path, options)
    })
}

/** Runs the command. Resolves to its exit code. */
async function showJournal(path: string, options: JournalOptions): Promise<number> {
  let report: JournalReport
  try {
    report = await readJournal(path, options.blocks)
  } catch (error) {
    const { message } = error as Error
    process.stderr.write(`${paint(process.stderr, 'red', 'dcache:')} ${printableLines(message)}\n`)
    return EXIT_USAGE
  }
  const text = options.json ? printableJson(JSON.stringify(report)) : textOf(report)
  process.stdout.write(`${text}\n`)
  const isWhole = report.problem === null && report.records.every(({ state }) => state === 'whole')
  return isWhole ? 0 : EXIT_DAMAGED
}

/** @throws ERR_DCACHE_BAD_JOURNAL, or the system's error */
export async function readJournal(path: string, withBlocks: boolean): Promise<JournalReport> {
  // O_NONBLOCK, so that opening a pipe does not wait.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new Error(`${path}: it is not a file`)
    const storage = new FileStorage(fd)
    const header = await readHeader(path, storage, stats.size)
    if (header === undefined) throw new Error(`${path}: it is not a journal: it has nothing but zeros`)
    const halves = await scanJournal(storage, header)
    const { replay, problem } = planOf(path, halves)
    return {
      path,
      id: idText(header.id),
      bytes: stats.size,
      halfBytes: header.halfBytes,
      records: halves.flatMap((state, half) => reportsOf(state, half, withBlocks)),
      replay,
      problem,
    }
  } finally {
    closeSync(fd)
  }
}

function planOf(path: string, halves: readonly HalfState[]): Pick<JournalReport, 'replay' | 'problem'> {
  try {
    return { replay: replayOrder(path, halves).map(({ number }) => number), problem: null }
  } catch (error) {
    return { replay: [], problem: (error as Error).message }
  }
}

const reportsOf = ({ records, torn }: HalfState, half: number, withBlocks: boolean): RecordReport[] => [
  ...records.map((record) => reportOf(half, { record }, withBlocks)),
  ...(torn === undefined ? [] : [reportOf(half, torn, withBlocks)]),
]

function reportOf(half: number, found: Partial<TornRecord>, withBlocks: boolean): RecordReport {
  const { record, why = null } = found
  const state = why === null ? 'whole' : 'torn'
  if (record === undefined) return { half, state, why, number: null, bytes: null, partitions: [] }
  const { partitions, keys } = record
  const damaged = new Set(found.damaged)
  const counts = partitions.map(() => 0)
  for (let i = 0; i < keys.blocks.length; i++) counts[keys.partitions[i]!]!++
  return {
    half,
    state,
    why,
    number: record.number,
    bytes: record.plan.bytes,
    partitions: partitions.map(({ name, blockSize, blocks, offset, isMarked }, index) => ({
      name,
      blockSize,
      length: blocks,
      offset,
      marked: isMarked,
      blocks: counts[index]!,
    })),
    ...(withBlocks && {
      blocks: Array.from(keys.blocks, (block, i) => ({
        partition: partitions[keys.partitions[i]!]!.name,
        block,
        whole: !damaged.has(i),
      })),
    }),
  }
}

function textOf(report: JournalReport): string {
  const { stdout } = process
  const width = columnsOf(stdout)
  const { path, id, halfBytes, records, replay, problem } = report
  const facts: [string, string][] = [
    ['journal', printable(path)],
    ['id', id],
    ['size', `two halves of ${bytesText(halfBytes)}`],
  ]
  const rows = records.flatMap(rowsOf)
  const head = ['half', 'state', 'record', 'partition', 'blocks', 'block size', 'of blocks', 'at byte']
  const emphasize = (text: string) => paint(stdout, 'bold', text)
  const torn = records.flatMap(({ half, why }) => (why === null ? [] : [`half ${half}: ${why}`]))
  const next =
    problem ??
    (replay.length === 0
      ? 'the next opening replays nothing'
      : `the next opening replays ${replay.map((number) => `record ${number}`).join(', then ')}`)
  return [
    listText(facts, width),
    '',
    ...(rows.length === 0 ? ['no records'] : [tableText({ head, rows, names: 4, width, emphasize })]),
    '',
    ...records.flatMap(blockLines),
    ...torn.map((line) => paint(stdout, 'yellow', line)),
    paint(stdout, problem === null ? 'green' : 'red', printable(next)),
  ].join('\n')
}

function rowsOf({ half, state, number, partitions }: RecordReport): string[][] {
  const names = [String(half), state, number === null ? '' : String(number)]
  if (partitions.length === 0) return [[...names, '', '', '', '', '']]
  return partitions.map(({ name, blocks, blockSize, length, offset }) => [
    ...names,
    printable(name),
    countText(blocks),
    String(blockSize),
    countText(length),
    countText(offset),
  ])
}

/** One line for each block, not a table: there may be very many. */
const blockLines = ({ half, blocks = [] }: RecordReport): string[] =>
  blocks.map(
    ({ partition, block, whole }) =>
      `half ${half}  ${printable(partition)}  block ${block}${whole ? '' : '  damaged'}`,
  )
