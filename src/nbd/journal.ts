/**
 * The journal of a server (`--journal`). A group has one journal, so all exports are then in one group: after a crash all of them
 * are what they were at one moment. The cost: while the disk of one fails, or that of the journal, the flushes of all fail; and an
 * export that goes waits until everything of all is in place.
 */
import { resolve } from 'node:path'
import type { BlockCache } from '../index.js'
import { JOURNAL_PAGE } from '../shared/journal-size.js'
import { parseSize } from '../shared/values.js'
import { entry, type Log } from './log.js'
import type { JournalSetting } from './messages.js'

/** The group of all exports, if there is a journal. */
export const JOURNALED = 'exports'

/** Parses FILE or FILE:SIZE. The text after the last colon is the size if it begins with a digit. @throws with a message */
export function parseJournal(text: string): JournalSetting {
  const match = /^(.+?)(?::(\d[^:/\\]*))?$/s.exec(text)
  if (match === null) throw new Error('It must be FILE or FILE:SIZE, such as exports.journal:64MiB.')
  const [, path, size] = match
  if (size === undefined) return { path: resolve(path!), sizeBytes: undefined }
  const sizeBytes = parseSize(size, 'the size')
  if (sizeBytes === 0 || sizeBytes % (2 * JOURNAL_PAGE) !== 0)
    throw new Error(
      `the size is ${sizeBytes} bytes; it must be a multiple of ${2 * JOURNAL_PAGE} bytes above 0`,
    )
  return { path: resolve(path!), sizeBytes }
}

/** Logs what the start found in the journal. Nothing after an orderly end. */
export function tellRecovered(cache: BlockCache, log: Log): void {
  for (const { path, replayed, torn } of cache.recovered) {
    const blocks = new Map<string, number>()
    for (const { partitions } of replayed)
      for (const [name, count] of Object.entries(partitions))
        blocks.set(name, (blocks.get(name) ?? 0) + count)
    const of = Array.from(blocks, ([name, count]) => `${count} of export '${name}'`).join(', ')
    const what = [
      ...(replayed.length === 0
        ? []
        : [`${replayed.length} record(s) were written in place again, blocks: ${of}`]),
      ...torn.map((why) => `torn, never acknowledged, and ignored: ${why}`),
    ]
    log(
      entry('info', 'recovered', `the journal ${path} was left by a crash: ${what.join('; ')}`, {
        path,
        records: replayed.length,
        blocks: Array.from(blocks.values()).reduce((sum, count) => sum + count, 0),
        torn: torn.length,
      }),
    )
  }
}
