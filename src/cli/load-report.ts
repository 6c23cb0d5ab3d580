/**
 * The report of a load: as the object that --json prints, and as text.
 */
import type { RecordableHistogram } from 'node:perf_hooks'
import type { CacheStats } from '../index.js'
import type { LoadCounts } from '../workload/board.js'
import type { Growth } from '../workload/grower.js'
import type { LoadFile, Mismatch } from '../workload/truth.js'
import type { LoadOutcome } from '../workload/workload.js'
import { MISMATCHES_MAX, type Verification } from '../workload/verify.js'
import { hitRatio } from './load-progress.js'
import { type LoadSettings, patternText } from './load-settings.js'
import { listText, tableText } from './terminal.js'
import { bytesText, countText, durationText, percentText, scaledText } from './units.js'

/** Time in the cache's calls, in microseconds. */
export interface Latency {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** The object that --json prints. */
export interface LoadReport {
  /** No error was found: the exit code is 0, or 130 after an interrupt. */
  readonly ok: boolean
  readonly interrupted: boolean
  readonly settings: {
    readonly threads: number
    readonly reads: number
    readonly classChanges: number
    readonly grow: number | null
    readonly pattern: string
    readonly trace: string | null
    readonly memory: string
    readonly policy: string
    readonly seed: number
  }
  /** With the blocks that they have at the end. */
  readonly partitions: readonly LoadFile[]
  /** Calls of `extend`, and the blocks that they added. */
  readonly extends: number
  readonly addedBlocks: number
  /** How long the threads ran. */
  readonly seconds: number
  /** Reads and writes. */
  readonly accesses: number
  readonly accessesPerSecond: number
  readonly reads: number
  /** Discards included. */
  readonly writes: number
  readonly discards: number
  /** Writes that marked a block with a class other than its own. */
  readonly classChanges: number
  /** 0 to 1, without the repeated lookups that the load makes of some blocks. */
  readonly hitRatio: number
  /** Bytes returned to readers, and bytes changed by writers. */
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly latencyUs: { readonly read: Latency; readonly write: Latency }
  /** The cache's own statistics, after the last flush. */
  readonly stats: CacheStats
  /** Reads without a guard that could not be compared, because their block changed during the read. */
  readonly unchecked: number
  /** Blocks that a thread found wrong during the load. */
  readonly mismatchesSeen: number
  /** Blocks of the files that were compared after close, and how many of them were wrong. null: not compared. */
  readonly verifiedBlocks: number | null
  readonly mismatchedBlocks: number | null
  /** The first mismatches of either kind. */
  readonly mismatches: readonly Mismatch[]
  /** The result of check() before close. */
  readonly brokenInvariants: readonly string[]
  /** Errors that ended threads or the last flush. */
  readonly errors: readonly { readonly code: string | null; readonly message: string }[]
}

export interface Findings {
  readonly settings: LoadSettings
  readonly isInterrupted: boolean
  /** With the blocks that they have at the end. */
  readonly files: readonly LoadFile[]
  readonly growth: Growth
  readonly outcome: LoadOutcome
  readonly counts: LoadCounts
  readonly stats: CacheStats
  readonly broken: readonly string[]
  readonly verification: Verification | undefined
  readonly errors: readonly Error[]
}

export function reportOf(findings: Findings): LoadReport {
  const { settings, outcome, counts, stats, broken, verification, errors } = findings
  const accesses = counts.reads + counts.writes
  return {
    ok:
      verification?.mismatched === 0 && counts.mismatched === 0 && broken.length === 0 && errors.length === 0,
    interrupted: findings.isInterrupted,
    settings: {
      threads: settings.threads,
      reads: settings.reads,
      classChanges: settings.classChanges,
      grow: settings.grow ?? null,
      pattern: settings.trace === undefined ? patternText(settings.pattern) : 'trace',
      trace: settings.trace ?? null,
      memory: settings.memory,
      policy: settings.policy,
      seed: settings.seed,
    },
    partitions: findings.files,
    extends: findings.growth.extends,
    addedBlocks: findings.growth.blocks,
    seconds: outcome.seconds,
    accesses,
    accessesPerSecond: accesses / Math.max(outcome.seconds, 1e-9),
    reads: counts.reads,
    writes: counts.writes,
    discards: counts.discards,
    classChanges: counts.classChanges,
    hitRatio: hitRatio(undefined, { stats, counts }),
    bytesRead: counts.bytesRead,
    bytesWritten: counts.bytesWritten,
    latencyUs: { read: latencyOf(outcome.readTimes), write: latencyOf(outcome.writeTimes) },
    stats,
    unchecked: counts.unchecked,
    mismatchesSeen: counts.mismatched,
    verifiedBlocks: verification?.blocks ?? null,
    mismatchedBlocks: verification?.mismatched ?? null,
    mismatches: [...outcome.mismatches, ...(verification?.mismatches ?? [])].slice(0, MISMATCHES_MAX),
    brokenInvariants: broken,
    errors: errors.map((error) => ({
      code: (error as NodeJS.ErrnoException).code ?? null,
      message: error.message,
    })),
  }
}

function latencyOf(times: RecordableHistogram): Latency {
  const us = (nanoseconds: number) => (times.count === 0 ? 0 : nanoseconds / 1000)
  return {
    count: times.count,
    p50: us(times.percentile(50)),
    p99: us(times.percentile(99)),
    p999: us(times.percentile(99.9)),
    max: us(times.max),
  }
}

/** Formats the figures as lines of up to `width` columns. `emphasize` is applied to table heads. */
export function figuresOf(report: LoadReport, width: number, emphasize: (text: string) => string): string {
  const { stats } = report
  const figures = listText(
    [
      ['time', durationText(report.seconds * 1e9)],
      ['accesses', `${countText(report.accesses)}  (${scaledText(report.accessesPerSecond)}/s)`],
      ['reads', countText(report.reads)],
      ['writes', `${countText(report.writes)}  (${countText(report.discards)} discarded)`],
      ...extendsText(report),
      ['hit ratio', percentText(report.hitRatio)],
      ['read by clients', bytesText(report.bytesRead)],
      ['written by clients', bytesText(report.bytesWritten)],
      ['read from disk', `${bytesText(stats.diskReadBytes)}  (${countText(stats.diskReads)} calls)`],
      ['written to disk', `${bytesText(stats.diskWriteBytes)}  (${countText(stats.diskWrites)} calls)`],
      ['rounds', `${countText(stats.rounds)}  (${countText(stats.failedRounds)} failed)`],
      ['evictions', countText(stats.evictions)],
      ["writers' stalls", stallsText(stats.writerStalls)],
    ],
    width,
  )
  const latencies = tableText({
    head: ['latency', 'p50', 'p99', 'p99.9', 'max'],
    rows: Object.entries(report.latencyUs).map(([name, { p50, p99, p999, max }]) => [
      name,
      ...[p50, p99, p999, max].map((us) => durationText(us * 1000)),
    ]),
    names: 1,
    width,
    emphasize,
  })
  return `${figures}\n\n${latencies}\n`
}

/** The verdict: a line for each wrong block and broken invariant; the last line says how many blocks were verified. */
export function verdictOf(report: LoadReport): string[] {
  const wrong = report.mismatchesSeen + (report.mismatchedBlocks ?? 0)
  const lines = report.mismatches.map(mismatchText)
  if (wrong > lines.length) lines.push(`... and ${countText(wrong - lines.length)} more`)
  for (const broken of report.brokenInvariants) lines.push(`check(): ${broken}`)
  lines.push(
    report.verifiedBlocks === null
      ? 'The files were NOT verified.'
      : `${countText(report.verifiedBlocks)} blocks of ${filesText(report.partitions.length)} verified after close: ` +
          (report.mismatchedBlocks === 0
            ? 'all are correct.'
            : `${countText(report.mismatchedBlocks!)} WRONG.`),
  )
  return lines
}

const filesText = (count: number): string => (count === 1 ? '1 file' : `${count} files`)

function mismatchText({ foundBy, partition, block, expected, found }: Mismatch): string {
  const time = (atMs: number) => new Date(atMs).toISOString().slice(11, 23)
  const checksum = (crc: number) => `checksum ${crc.toString(16).padStart(8, '0')}`
  const must =
    expected.version === 0
      ? 'as before the load'
      : `version ${expected.version} of thread ${expected.thread} at ${time(expected.atMs)}`
  const { stamp } = found
  const is =
    stamp === undefined
      ? 'no stamp'
      : `stamp of ${stamp.ofPartition}, block ${stamp.block}: version ${stamp.version} of thread ${stamp.thread} at ${time(stamp.atMs)}`
  return (
    `WRONG ${partition}, block ${block}: expected ${must}, ${checksum(expected.crc)}; ` +
    `found ${is}, ${checksum(found.crc)}; by ${foundBy}`
  )
}

/** Only of a load that grows. */
const extendsText = ({ extends: count, addedBlocks }: LoadReport): [string, string][] =>
  count > 0 ? [['extends', `${countText(count)}  (${countText(addedBlocks)} blocks)`]] : []

function stallsText({ count, p50Ms, p99Ms, maxMs }: CacheStats['writerStalls']): string {
  if (count === 0) return 'none'
  const [p50, p99, max] = [p50Ms, p99Ms, maxMs].map((ms) => durationText(ms * 1e6))
  return `${countText(count)}  (p50 ${p50!}, p99 ${p99!}, max ${max!})`
}
