/**
 * The description of a finding: when the crash was, what is on the disk and should not be, or is missing, and the log
 * records of the blocks involved. The log is reduced to these records and saved, so that it can be judged again.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CrashWalk, type Finding, type WalkOptions } from './crash-points.js'
import type { BlockHistory } from './history.js'
import { KIND, kindName, type LogRecord } from './log.js'
import { type Scenario, WRITE_ORDER } from './scenario.js'

/** The maximum number of log lines in a description. */
const LINES_MAX = 60

export interface SavedCase {
  readonly scenario: Scenario
  readonly records: readonly LogRecord[]
}

const smallWalk = (): WalkOptions => ({ samples: 200, completeUpTo: 10, seen: new Set() })

/** The records of a finding: those of its blocks and the syncs of their disks, up to the crash. */
export function cutDown({ scenario, records }: SavedCase, finding: Finding): SavedCase {
  const blocks = involved(finding)
  const isOfBlock = (record: LogRecord) =>
    blocks.some(({ partition, block }) => record.partition === partition && record.block === block)
  const isOfDisk = (record: LogRecord) =>
    record.block < 0 && blocks.some(({ partition }) => record.partition === partition) && isSync(record)
  const isOfFlush = (record: LogRecord) =>
    (record.kind === KIND.ACK || record.kind === KIND.FLUSH) && finding.kind === 'acknowledged'
  const fewer = records.filter(
    (record) => record.seq <= finding.seq && (isOfBlock(record) || isOfDisk(record) || isOfFlush(record)),
  )
  const small = { scenario, records: dropIdleSyncs(fewer) }
  const again = new CrashWalk(scenario, small.records, smallWalk()).run()
  return again?.kind === finding.kind ? small : { scenario, records }
}

export function tell(saved: SavedCase, finding: Finding): string {
  const { scenario } = saved
  const lines = [
    `seed ${scenario.seed}: a crash after record ${finding.seq} leaves a disk that breaks a promise`,
  ]
  lines.push(`  ${whatIsWrong(scenario, finding)}`)
  if (finding.survivors.length > 0) {
    lines.push('  on disk, of what was not synced:')
    for (const { write, mask } of finding.survivors) {
      const sectors = write.versions.map((version, i) => ((mask & (1 << i)) === 0 ? '-' : version))
      lines.push(`    write ${write.seq} of ${nameOf(scenario, write)}, sectors ${sectors.join(' ')}`)
    }
  }
  const shown = saved.records.slice(-LINES_MAX)
  lines.push(`  the records of these blocks and disks (${shown.length} of ${saved.records.length}):`)
  for (const record of shown) lines.push(`    ${lineOf(scenario, record)}`)
  return lines.join('\n')
}

/** Saves a case; returns the name of the file. */
export function save(folder: string, saved: SavedCase): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `seed-${saved.scenario.seed}.json`)
  writeFileSync(path, JSON.stringify(saved))
  return path
}

/** Judges a saved case again. */
export function replay(path: string): { saved: SavedCase; finding: Finding | undefined } {
  const saved = JSON.parse(readFileSync(path, 'utf8')) as SavedCase
  return { saved, finding: new CrashWalk(saved.scenario, saved.records, smallWalk()).run() }
}

function involved({ breach, record }: Finding): { partition: number; block: number }[] {
  if (record) return [record]
  return [breach!.missing, breach!.present].filter((block): block is BlockHistory => block !== undefined)
}

const isSync = ({ kind }: LogRecord): boolean =>
  kind === KIND.SYNC_BEGIN || kind === KIND.SYNC_OK || kind === KIND.SYNC_FAILED || kind === KIND.FENCED

/** Omits the syncs of disks to which none of the shown records wrote since the last sync. */
function dropIdleSyncs(records: readonly LogRecord[]): LogRecord[] {
  const hasWrites = new Set<number>()
  return records.filter((record) => {
    if (record.kind === KIND.WRITE || record.kind === KIND.WRITE_FAILED) hasWrites.add(record.partition)
    if (!isSync(record)) return true
    const isNeeded = hasWrites.has(record.partition)
    if (record.kind === KIND.SYNC_OK) hasWrites.delete(record.partition)
    return isNeeded
  })
}

function whatIsWrong(scenario: Scenario, { kind, breach, record }: Finding): string {
  if (record) {
    const found = record.sectors.join(' ')
    return kind === 'unstable'
      ? `${nameOf(scenario, record)} changed while it was being written: sectors ${found}`
      : `${nameOf(scenario, record)} was written with bytes that no client released: sectors ${found} (-1: torn)`
  }
  const { missing, version, present, presentClass } = breach!
  const lacks = `${nameOf(scenario, missing)} lacks version ${version}`
  if (!present) return `${lacks}, which a flush had acknowledged`
  return `${lacks}, released before ${nameOf(scenario, present)} got its '${WRITE_ORDER[presentClass - 1]!}' change, which is there`
}

const nameOf = (scenario: Scenario, { partition, block }: { partition: number; block: number }): string =>
  `block ${block} of ${scenario.disks[partition]!.name}`

function lineOf(scenario: Scenario, record: LogRecord): string {
  const { seq, kind, thread, partition, block, value, extra, sectors } = record
  const place =
    block >= 0 ? nameOf(scenario, record) : partition >= 0 ? (scenario.disks[partition]?.name ?? '') : 'all'
  const details = {
    [KIND.RELEASE]: `version ${value} '${WRITE_ORDER[extra - 1] ?? ''}'`,
    [KIND.RELEASED]: `version ${value}`,
    [KIND.ACK]: `of the flush at ${value}${extra === 0 ? '' : ` through '${WRITE_ORDER[extra - 1]!}'`}`,
    [KIND.SYNC_OK]: `begun at ${value}`,
    [KIND.SYNC_FAILED]: `begun at ${value}, errno ${extra}`,
    [KIND.WRITE]: `sectors ${sectors.join(' ')}`,
    [KIND.WRITE_FAILED]: `sectors ${sectors.join(' ')}, errno ${extra}`,
  } as Partial<Record<number, string>>
  return `${String(seq).padStart(6)} slot ${thread}  ${kindName(kind).padEnd(12)} ${place}  ${details[kind] ?? ''}`
}
