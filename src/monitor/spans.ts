/**
 * The steps of write-back in a sample, from the flight recorder. A sample has those that ended in the last moments, so that viewers
 * which miss no sample miss no step; they keep them as long as they show them. If there are very many, it has the longest.
 */
import type { CacheClient } from '../shared/interface.js'
import type { CacheStats, TraceRecord } from '../shared/reports.js'
import type { MonitorSpan } from './protocol.js'
import { Names, type TraceArguments } from './trace-names.js'

/** Two samples and a half: what ended between two of them is in both, and a viewer puts them together. */
const SINCE_MS = 2500
const SPANS_MAX = 400
const POINTS = ['work.stage', 'work.round', 'disk.write', 'disk.fsync'] as const

/** Undefined if the recorder is off. */
export function spansOf(cache: CacheClient, stats: CacheStats): MonitorSpan[] | undefined {
  if (stats.traceEntries === 0) return undefined
  const names = new Names(cache, stats)
  const records = cache.trace({ sinceMs: Date.now() - SINCE_MS, points: POINTS })
  const longest = records.sort((a, b) => b.durationMs - a.durationMs).slice(0, SPANS_MAX)
  return longest.sort((a, b) => a.atMs - b.atMs).map((record) => spanOf(record, names, stats))
}

function spanOf(record: TraceRecord, names: Names, { partitions }: CacheStats): MonitorSpan {
  const { slot, atMs: startMs, durationMs } = record
  const point = record.point as MonitorSpan['point']
  const { partition, class: writeClass, blocks, ...more }: TraceArguments = names.argsOf(record)
  // Rounds are of groups, writes and fsyncs of partitions.
  const group = more['group'] ?? partitions[String(partition)]?.group
  return {
    point,
    slot,
    startMs,
    durationMs,
    ...(group !== undefined && { group: String(group) }),
    ...(partition !== undefined && { partition: String(partition) }),
    ...(writeClass !== undefined && { writeClass: String(writeClass) }),
    ...(blocks !== undefined && { blocks: Number(blocks) }),
  }
}
