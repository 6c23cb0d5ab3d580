/**
 * The screen of `dcache top` as lines of text: a pure function of the model, the view and the size. From the top: a title, warnings,
 * figures of the cache, latencies and groups as far as there are rows for them, then partitions or threads in all rows that are
 * left, and the keys in the last row. A size without limits gives everything, for `--once`.
 */
import { printable } from '../nbd/printable.js'
import { columnsIn, listText, type Paint } from './terminal.js'
import type { TopModel } from './top-report.js'
import {
  groupColumns,
  LATENCY_COLUMNS,
  partitionColumns,
  SORT_KEYS,
  sorted,
  threadColumns,
  threadRows,
} from './top-tables.js'
import {
  beside,
  bytesCell,
  countCell,
  cut,
  edges,
  padEnd,
  percentCell,
  type Style,
  tableLines,
} from './top-text.js'
import { KEYS, type TopView } from './top-view.js'
import { secondsText } from './units.js'

export interface ScreenInput {
  readonly model: TopModel
  readonly view: TopView
  /** How long the command has watched the cache. */
  readonly watchedSeconds: number
  /** The connection is lost: why, and how old the figures are. */
  readonly lost?: { readonly why: string; readonly seconds: number } | undefined
  readonly columns: number
  /** Infinity: everything, without the keys. */
  readonly rows: number
  readonly style: Style
}

export interface Screen {
  /** At most `rows` lines of at most `columns` columns. */
  readonly lines: readonly string[]
  /** The scroll of the view, within what there is. */
  readonly scroll: number
  /** How many lines of the panel are shown. */
  readonly page: number
}

/** From this height on there are latencies. */
const ROWS_LATENCY = 16
/** From this height on there are groups. */
const ROWS_GROUPS = 20
const ROWS_TALL = 40
/** A group that has this share of its dirty limit is marked. */
const DIRTY_NEARLY_FULL = 0.95

export function screenOf(input: ScreenInput): Screen {
  const { view, rows, columns } = input
  // What is old has no colours of its own, and is greyed as a whole.
  const style: Style = input.lost === undefined ? input.style : (_, text) => text
  const grey = (line: string) => (input.lost === undefined ? line : input.style('dim', line))
  const head = [titleOf(input), ...warningLines(input)]
  if (view.isHelp) {
    const help = [
      '',
      ...listText(KEYS, columns)
        .split('\n')
        .map((line) => cut(line, columns)),
    ]
    return {
      lines: [...head, ...help, '', 'Any key goes back.'].slice(0, rows),
      scroll: view.scroll,
      page: 1,
    }
  }
  const figures = [...figureLines(input), ...latencyAndGroups(input, style)].map(grey)
  const isWhole = rows === Infinity
  const left = rows - head.length - figures.length - 1
  if (isWhole) {
    const partitions = panelOf(input, 'partitions', Infinity, style)
    const threads = panelOf(input, 'threads', Infinity, style)
    return { lines: [...head, ...figures, ...partitions.lines, ...threads.lines], scroll: 0, page: 1 }
  }
  const panel = panelOf(input, view.panel, left, style)
  const body = panel.lines.map(grey)
  const blank = Array.from({ length: Math.max(0, left - body.length) }, () => '')
  const lines = [...head, ...figures, ...body, ...blank].slice(0, rows - 1)
  return { ...panel, lines: [...lines, input.style('dim', footer(input))] }
}

function titleOf({ model, view, watchedSeconds, columns, style }: ScreenInput): string {
  const { name, pid, state, intervalSeconds } = model
  const right = [
    ...(view.isPaused ? ['PAUSED'] : []),
    `watched ${secondsText(watchedSeconds)}`,
    `rates over ${intervalSeconds === null ? '-' : `${intervalSeconds.toFixed(1)} s`}`,
  ]
  const rest = `  pid ${pid ?? '-'}  ${state === '' ? '-' : printable(state)}`
  // A long name leaves room for the rest of the title.
  const title = cut(printable(name), Math.max(8, columns - rest.length)) + rest
  for (; right.length > 0; right.pop())
    if (columnsIn(title) + 2 + columnsIn(right.join('  ')) <= columns) break
  return style('inverse', padEnd(edges(title, right.join('  '), columns), columns === Infinity ? 0 : columns))
}

function warningLines({ model, lost, columns, rows, style }: ScreenInput): string[] {
  const lines: [Paint, string][] = []
  if (lost !== undefined)
    lines.push(['red', `connection lost, figures of ${secondsText(lost.seconds)} ago: ${lost.why}`])
  for (const { kind, text } of model.warnings)
    lines.push([kind === 'dirtyLimit' || kind === 'journalFull' ? 'yellow' : 'red', text])
  const most = rows < ROWS_LATENCY ? 1 : rows < ROWS_TALL ? 3 : lines.length
  const more = lines.length - most
  return lines.slice(0, most).map(([paint, text], i) => {
    const mark = more > 0 && i === most - 1 ? ` (and ${more} more)` : ''
    return style(paint, cut(`! ${printable(text)}`, columns - mark.length) + mark)
  })
}

/** Figures of the whole cache in a grid that is filled column by column, the most important ones first. */
function figureLines({ model, columns, rows }: ScreenInput): string[] {
  const { perSecond, pool } = model
  const dirtyShare = pool.dirty === null || !pool.size ? null : pool.dirty / pool.size
  const items: (readonly [label: string, text: string])[] = [
    ['lookups/s', countCell(perSecond.lookups)],
    ['hits', percentCell(model.hitRatio)],
    ['evictions/s', countCell(perSecond.evictions)],
    ['disk reads/s', countCell(perSecond.diskReads)],
    ['disk writes/s', countCell(perSecond.diskWrites)],
    ['rounds/s', countCell(perSecond.rounds)],
    ['read/s', bytesCell(perSecond.diskReadBytes)],
    ['written/s', bytesCell(perSecond.diskWriteBytes)],
    ['flushes/s', countCell(perSecond.flushes)],
    ['memory', bytesCell(model.memoryBytes)],
    ['threads', countCell(model.threadCount)],
    ['dirty', percentCell(dirtyShare)],
  ]
  const cells = (from: number, lines: number) => gridColumn(items.slice(from, from + lines), lines)
  const gridOf = (lines: number): string[] => {
    let grid: string[] = cells(0, lines)
    for (let from = lines; from < items.length; from += lines) {
      const wider = cells(from, lines).map((cell, i) => `${grid[i]!}  ${cell}`)
      if (columnsIn(wider[0]!) > columns) break
      grid = wider
    }
    return grid
  }
  const grid = gridOf(rows < 14 ? 2 : 3)
  // A narrow and tall terminal has more lines for what does not fit.
  const isCut = !grid.at(-1)!.includes(items.at(-1)![0])
  return (isCut && rows >= ROWS_GROUPS ? gridOf(6) : grid).map((line) => cut(line, columns))
}

/** Least widths, so that the grid stays while figures change. */
const FIGURE_LEAST = 7

function gridColumn(items: readonly (readonly [string, string])[], lines: number): string[] {
  const label = Math.max(...items.map(([label]) => label.length))
  const figure = Math.max(FIGURE_LEAST, ...items.map(([, text]) => text.length))
  return Array.from({ length: lines }, (_, i) => {
    const [name, text] = items[i] ?? ['', '']
    return `${name.padEnd(label)} ${text.padStart(figure)}`
  })
}

function latencyAndGroups({ model, columns, rows }: ScreenInput, style: Style): string[] {
  if (rows < ROWS_LATENCY) return []
  const bold = (text: string) => style('bold', text)
  const { read, fsync, writerStalls } = model.latency
  const latencies = tableLines(
    LATENCY_COLUMNS,
    [
      { name: 'read', latency: read },
      { name: 'fsync', latency: fsync },
      { name: 'writer stalls', latency: writerStalls },
    ],
    columns,
    bold,
  )
  const most = rows === Infinity ? Infinity : rows < ROWS_TALL ? 3 : 8
  // The fullest ones, as far as there are rows; they stay in their order.
  const fullest = [...model.groups].sort((a, b) => (b.dirtyShare ?? 0) - (a.dirtyShare ?? 0)).slice(0, most)
  const groups = model.groups.filter((group) => fullest.includes(group))
  const head =
    groups.length < model.groups.length ? `group (${groups.length} of ${model.groups.length})` : 'group'
  const groupLines = tableLines(groupColumns(head), groups, columns, bold, (group, line) =>
    (group.dirtyShare ?? 0) >= DIRTY_NEARLY_FULL ? style('yellow', line) : line,
  )
  const both = beside(latencies, groupLines, columns)
  const isLow = rows < ROWS_GROUPS && both.length > latencies.length
  return isLow ? latencies : both
}

interface Panel {
  readonly lines: string[]
  readonly scroll: number
  readonly page: number
}

/** A title, the head of the table, and the rows from the scroll on. */
function panelOf(input: ScreenInput, which: TopView['panel'], height: number, style: Style): Panel {
  const { model, view, columns } = input
  const bold = (text: string) => style('bold', text)
  const titleLine = (text: string) => cut(`-- ${text} --`, columns)
  const page = Math.max(1, height - 2)
  const all = which === 'partitions' ? sorted(model.partitions, view.sort, view.isReversed) : undefined
  const waits = all === undefined ? threadRows(model.threads) : []
  const count = all?.length ?? waits.length
  const scroll = Math.max(0, Math.min(view.scroll, count - page))
  const end = Math.min(count, scroll + page)
  const range =
    count === 0 ? 'none' : end - scroll < count ? `${scroll + 1}-${end} of ${count}` : String(count)
  if (all !== undefined) {
    const order = `, by ${SORT_KEYS[view.sort]!.name}${view.isReversed ? ' reversed' : ''}`
    const lines = tableLines(partitionColumns(all), all, columns, bold, (partition, line) =>
      partition.isFenced ? style('red', line) : line,
      scroll, end,
    ) // prettier-ignore
    return { lines: [titleLine(`PARTITIONS ${range}${order}`), ...lines], scroll, page }
  }
  const lines = tableLines(threadColumns(model.threads), waits, columns, bold, ({ thread, wait }, line) => {
    if (wait !== undefined && wait.cycle.length > 0) return style('red', line)
    if (wait !== undefined) return style('yellow', line)
    return thread.alive ? line : style('dim', line)
  }, scroll, end) // prettier-ignore
  return { lines: [titleLine(`THREADS ${range}`), ...lines], scroll, page }
}

function footer({ view, columns }: ScreenInput): string {
  const other = view.panel === 'partitions' ? 'threads' : 'partitions'
  const parts = ['q quit', '? help', `t ${other}`, 's sort', 'r reverse', `space ${view.isPaused ? 'continue' : 'pause'}`, `+/- interval ${view.intervalSeconds} s`] // prettier-ignore
  while (parts.join('  ').length > columns && parts.length > 1) parts.pop()
  return cut(parts.join('  '), columns)
}
