/**
 * The tables of groups, partitions, threads and events. Each shows a number of rows at most, and says how many there are
 * more.
 */
import type { MonitorEvent, MonitorHold, MonitorSample, MonitorThread, MonitorWait } from '../protocol.js'
import type { Rates } from '../rates.js'
import { byId, setText } from './dom.js'
import {
  bytes,
  count,
  duration,
  groupText,
  nameText,
  NONE,
  percent,
  perSecond,
  plural,
  time,
  whole,
} from './format.js'
import { type Cell, type Row, Table } from './table.js'

const ROWS_MAX = 60
const EVENTS_MAX = 200
/** Of the partitions that have a group's dirty blocks. */
const NAMED_MAX = 3

export class Groups {
  readonly #table = new Table(byId('groups'), [
    { title: 'Group' },
    { title: 'Dirty, of the limit' },
    { title: 'What they wait for' },
    { title: 'Rounds', isNumber: true },
    { title: 'Failed', isNumber: true },
    { title: 'Free spares', isNumber: true },
    { title: 'Journal', isNumber: true },
  ])

  update(sample: MonitorSample, before: MonitorSample | undefined, rates: Rates | undefined): void {
    const rows = Object.entries(sample.stats.groups).map(([name, group]): Row => {
      const { dirty, dirtyLimit, rounds, failedRounds, spares, journal } = group
      const share = dirtyLimit > 0 ? dirty / dirtyLimit : undefined
      const then = before?.stats.groups[name]?.rounds
      const perRound =
        then === undefined || rates === undefined ? undefined : Math.max(0, rounds - then) / rates.seconds
      return {
        key: name,
        cells: [
          groupText(name),
          { text: `${whole(dirty)} of ${whole(dirtyLimit)} (${percent(share)})`, share },
          waitsOf(name, sample),
          perSecond(perRound),
          failedRounds > 0 ? { text: whole(failedRounds), level: 'warn' } : whole(failedRounds),
          `${whole(spares.free)} of ${whole(spares.total)}`,
          journal === undefined ? NONE : `${bytes(journal.usedBytes)} of ${bytes(journal.halfBytes)}`,
        ],
      }
    })
    this.#table.update(rows.slice(0, ROWS_MAX))
  }
}

/** Which partitions have a group's dirty blocks, and what keeps those from the disk. */
function waitsOf(group: string, { stats, threads }: MonitorSample): Cell {
  const own = Object.entries(stats.partitions).filter(([, partition]) => partition.group === group)
  const dirty = own.filter(([, partition]) => partition.dirty > 0).sort(([, a], [, b]) => b.dirty - a.dirty)
  if (dirty.length === 0) return 'nothing is dirty'
  const named = dirty
    .slice(0, NAMED_MAX)
    .map(([name, partition]) => `${nameText(name)}: ${whole(partition.dirty)}`)
  const where = named.join(', ') + (dirty.length > NAMED_MAX ? `, ${dirty.length - NAMED_MAX} more` : '')
  const fenced = own.filter(([, partition]) => partition.isFenced).map(([name]) => nameText(name))
  if (fenced.length > 0)
    return { text: `retry() of ${fenced.slice(0, NAMED_MAX).join(', ')} (${where})`, level: 'bad' }
  const names = new Set(own.map(([name]) => name))
  const changing = threads.flatMap(({ holds }) =>
    holds.filter(
      ({ mode, partition }) => mode === 'modify' && partition !== undefined && names.has(partition),
    ),
  ).length
  const { dirty: all, dirtyLimit } = stats.groups[group]!
  const held = changing > 0 ? `; ${plural(changing, 'block')} being changed` : ''
  return all >= dirtyLimit
    ? { text: `the disk: changes wait for it (${where}${held})`, level: 'warn' }
    : `a round: at a flush, at the flush delay, or when more are dirty (${where}${held})`
}

export class Partitions {
  readonly #table = new Table(byId('partitions'), [
    { title: 'Partition' },
    { title: 'Group' },
    { title: 'Cached, of the pool' },
    { title: 'Size', isNumber: true },
    { title: 'Hit ratio', isNumber: true },
    { title: 'Lookups', isNumber: true },
    { title: 'Blocks read', isNumber: true },
    { title: 'Blocks written', isNumber: true },
    { title: 'Dirty', isNumber: true },
    { title: 'State' },
  ])

  update({ stats }: MonitorSample, rates: Rates | undefined): void {
    const all = Object.entries(stats.partitions)
    // In the order in which they were opened, unless there are too many.
    const shown =
      all.length > ROWS_MAX ? all.sort(([, a], [, b]) => b.cached - a.cached).slice(0, ROWS_MAX) : all
    const rows = shown.map(([name, partition]): Row => {
      const share = stats.size > 0 ? partition.cached / stats.size : undefined
      const own = rates?.partitions[name]
      return {
        key: name,
        cells: [
          nameText(name),
          groupText(partition.group),
          { text: `${whole(partition.cached)} (${percent(share)})`, share },
          bytes(partition.blocks * partition.blockSize),
          percent(own?.hitRatio),
          perSecond(own?.lookups),
          perSecond(own?.diskReads),
          perSecond(own?.diskWrites),
          whole(partition.dirty),
          partition.isFenced ? { text: 'fenced', level: 'bad' } : 'open',
        ],
      }
    })
    this.#table.update(rows)
    const more = all.length - shown.length
    setText(
      byId('partitions-more'),
      more > 0 ? `And ${plural(more, 'partition')} with fewer cached blocks.` : '',
    )
  }
}

export class Threads {
  readonly #table = new Table(byId('threads'), [
    { title: 'Thread' },
    { title: 'Slot', isNumber: true },
    { title: 'Id', isNumber: true },
    { title: 'State' },
    { title: 'Holds' },
    { title: 'Waits for' },
  ])

  update({ threads }: MonitorSample): void {
    // Those with something to tell first, if there are too many.
    const weight = ({ waitCount, holdCount, alive }: MonitorThread) =>
      (alive ? 0 : 4) + (waitCount > 0 ? 2 : 0) + (holdCount > 0 ? 1 : 0)
    const shown =
      threads.length > ROWS_MAX
        ? [...threads].sort((a, b) => weight(b) - weight(a)).slice(0, ROWS_MAX)
        : threads
    this.#table.update(shown.map(threadRow))
    const more = threads.length - shown.length
    setText(byId('threads-more'), more > 0 ? `And ${plural(more, 'thread')}.` : '')
  }
}

function threadRow(thread: MonitorThread): Row {
  const { slot, threadId, name, alive, holds, holdCount, waits, waitCount } = thread
  const isInCycle = waits.some(({ cycle }) => cycle.includes(slot))
  const isBehindCycle = !isInCycle && waits.some(({ cycle }) => cycle.length > 0)
  const state: Cell = !alive
    ? { text: 'ended; what it held is being taken back', level: 'warn' }
    : isInCycle
      ? { text: '⚠ in a cycle of waits', level: 'bad' }
      : isBehindCycle
        ? { text: '⚠ waits for a cycle', level: 'bad' }
        : waitCount > 0
          ? 'waits'
          : 'runs'
  return {
    key: `${slot} ${threadId}`,
    cells: [
      name === '' ? `thread ${threadId}` : nameText(name),
      whole(slot),
      whole(threadId),
      state,
      listOf(holds.map(holdText), holdCount),
      listOf(waits.map(waitText), waitCount),
    ],
  }
}

function listOf(shown: readonly string[], all: number): string {
  if (all === 0) return NONE
  // Many of one kind, such as the blocks of a scan, are told once.
  const kinds = new Map<string, number>()
  for (const text of shown) kinds.set(text, (kinds.get(text) ?? 0) + 1)
  const texts = [...kinds].map(([text, times]) => (times > 1 ? `${text} (${times} times)` : text))
  return texts.join('; ') + (all > shown.length ? `; ${plural(all - shown.length, 'more', 'more')}` : '')
}

const since = (sinceMs: number | undefined): string =>
  sinceMs === undefined ? '' : ` for ${duration(sinceMs)}`

function holdText({ mode, partition, block, sinceMs }: MonitorHold): string {
  const what = partition === undefined ? 'a block' : `block ${whole(block)} of ${nameText(partition)}`
  return `${what} to ${mode}${since(sinceMs)}`
}

function waitText(wait: MonitorWait): string {
  const { mode, partition, heldBy, cycle, sinceMs } = wait
  const what =
    partition === undefined ? WANTED[mode] : `block ${whole(wait.block)} of ${nameText(partition)} to ${mode}`
  const holders = heldBy.length === 0 ? '' : `, held by slot ${heldBy.join(', ')}`
  const around = cycle.length === 0 ? '' : `, in the cycle of slots ${cycle.join(' → ')} → ${cycle[0]!}`
  return `${what}${since(sinceMs)}${holders}${around}`
}

const WANTED: Readonly<Record<MonitorHold['mode'], string>> = {
  read: 'a block to read',
  modify: 'a block to modify',
  frame: 'a free frame',
  dirty: 'fewer dirty blocks',
  spare: 'a spare frame',
  flush: 'a flush',
  mutex: 'a lock',
}

export class Events {
  readonly #table = new Table(byId('events'), [{ title: 'Time' }, { title: 'Event' }, { title: 'About' }])
  readonly #rows: Row[] = []
  #count = 0

  add({ name, info, timeMs }: MonitorEvent): void {
    const known = EVENTS[name]
    const level = known?.level
    this.#rows.unshift({
      key: String(this.#count++),
      cells: [time(timeMs), { text: known?.text ?? nameText(name), level }, aboutOf(info)],
    })
    this.#rows.length = Math.min(this.#rows.length, EVENTS_MAX)
    this.#table.update(this.#rows)
    setText(byId('events-none'), '')
  }
}

const EVENTS: Readonly<
  Record<string, { readonly text: string; readonly level?: 'warn' | 'bad' } | undefined>
> = {
  fenced: { text: 'fenced: a write or an fsync failed', level: 'bad' },
  retry: { text: 'retry was called' },
  restored: { text: 'restored: the changes are on the disk again' },
  recovered: { text: 'a journal was recovered from a crash' },
  workerDied: { text: 'a thread ended without detach', level: 'warn' },
  threadFailed: { text: 'a thread of the engine ended, and is replaced', level: 'warn' },
  broken: { text: 'broken: nothing is written any more', level: 'bad' },
  closed: { text: 'the cache was closed' },
  orphaned: { text: 'the thread that owned the cache has ended', level: 'bad' },
  detached: { text: 'the thread of this monitor has left the cache' },
}

function aboutOf(info: MonitorEvent['info']): string {
  const parts = Object.entries(info).map(([key, value]) => `${LABELS[key] ?? key} ${valueText(value)}`)
  return parts.length === 0 ? NONE : parts.join(', ')
}

const LABELS: Readonly<Record<string, string>> = { threadId: 'thread', writeClass: 'class' }

function valueText(value: unknown): string {
  if (typeof value === 'string') return nameText(value)
  if (typeof value === 'number') return count(value)
  if (Array.isArray(value)) return plural(value.length, 'entry', 'entries')
  if (typeof value === 'object' && value !== null && 'message' in value)
    return nameText(String(value.message))
  return nameText(JSON.stringify(value) ?? NONE) // eslint-disable-line @typescript-eslint/no-unnecessary-condition
}
