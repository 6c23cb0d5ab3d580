/**
 * Pieces of the screen of `dcache top`: figures that fit a column, texts that are cut to columns of the terminal, and tables whose
 * columns are left out by rank.
 */
import { printable } from '../nbd/printable.js'
import { columnsIn, columnsText, type Paint } from './terminal.js'
import type { Figure } from './top-report.js'
import { bytesText, durationText, percentText, scaledText } from './units.js'

export type Style = (style: Paint, text: string) => string

const MISSING = '-'
const ELLIPSIS = '…'

const shown =
  (text: (value: number) => string) =>
  (value: Figure): string =>
    value === null ? MISSING : text(value).replace(' bytes', ' B').replaceAll(' ', '')

/** `245k`, `0.27`. */
export const countCell = shown(scaledText)
/** `98.3%`. */
export const percentCell = shown(percentText)
/** `12.3MiB`. */
export const bytesCell = shown(bytesText)
/** `1.05ms`. */
export const msCell = shown((ms) => durationText(ms * 1e6))

const graphemes = new Intl.Segmenter('en')

/** The beginning of the text, with … at the end if it is cut. */
export function cut(text: string, columns: number): string {
  if (columnsIn(text) <= columns) return text
  if (columns < 1) return ''
  let kept = ''
  let left = columns - 1
  for (const { segment } of graphemes.segment(text)) {
    left -= columnsIn(segment)
    if (left < 0) break
    kept += segment
  }
  return kept + ELLIPSIS
}

/** A name of a user, printable and cut. */
export const nameCell = (name: string, columns: number): string => cut(printable(name), columns)

export const padEnd = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, Math.min(columns, 1000) - columnsIn(text)))

/** Text at the left and at the right edge; the right one is left out if it does not fit, the left one is cut. */
export function edges(left: string, right: string, columns: number): string {
  const gap = columns - columnsIn(left) - columnsIn(right)
  if (columns === Infinity) return right === '' ? left : `${left}  ${right}`
  return gap < 2 || right === '' ? cut(left, columns) : left + ' '.repeat(gap) + right
}

export interface Column<Row> {
  readonly head: string
  /** The columns with the highest rank are left out first. */
  readonly rank: number
  readonly cell: (row: Row) => string
  /** Left-aligned and may be cut to `least` columns. They come before the figures. */
  readonly isName?: boolean
  /** A width that figures have at least, so that a column stays where it is. */
  readonly least: number
}

/**
 * Lines of a table: its head, and a line for each row from `from` to `end`. The names have the widths that those of all rows need,
 * so that the columns stay while a user scrolls. `emphasize` may colour the line of a row, and `headStyle` the head.
 */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
  headStyle: (text: string) => string,
  emphasize: (row: Row, line: string) => string = (_, line) => line,
  from = 0,
  end = rows.length,
): string[] {
  const visible = rows.slice(from, end)
  const all = columns.map((column) => {
    const cells = visible.map((row) => column.cell(row))
    const measured = column.isName === true ? rows.map((row) => column.cell(row)) : cells
    const widest = measured.reduce((most, cell) => Math.max(most, columnsIn(cell)), Math.max(column.least, columnsIn(column.head))) // prettier-ignore
    return { column, cells, widest, width: column.isName === true ? column.least : widest }
  })
  const kept = fitting(all, width)
  // What is left is for the names, from the first on.
  let left = width - widthOf(kept)
  for (const each of kept) {
    const more = Math.min(left, each.widest - each.width)
    each.width += more
    left -= more
  }
  const text = columnsText({
    head: kept.map(({ column, width }) => cut(column.head, width)),
    // The first row is blank: it holds the widths if there is no other.
    rows: [undefined, ...visible.keys()].map((i) =>
      kept.map(({ column, cells, width }) => {
        const cell = i === undefined ? '' : cut(cells[i]!, width)
        return column.isName === true ? padEnd(cell, width) : ' '.repeat(width - columnsIn(cell)) + cell
      }),
    ),
    names: kept.filter(({ column }) => column.isName).length,
    width,
  })
  if (text === undefined) return [] // narrower than one column
  const [head, , ...lines] = text.split('\n')
  return [headStyle(head!), ...lines.map((line, i) => emphasize(visible[i]!, line))]
}

interface Measured {
  readonly column: { readonly rank: number; readonly isName?: boolean; readonly least: number }
  readonly widest: number
  readonly width: number
}

/** Columns of this rank or a higher one are shown only if names need not be cut to less than NAME_WANTED for them. */
const RANK_OPTIONAL = 10
const NAME_WANTED = 30

const widthOf = (columns: readonly Measured[]): number =>
  columns.reduce((sum, { width }) => sum + width, columns.length - 1)

function fitting<M extends Measured>(columns: readonly M[], width: number): M[] {
  const kept = [...columns]
  while (kept.length > 1) {
    const most = Math.max(...kept.map(({ column }) => column.rank))
    const more = kept.map(({ column, widest, width }) => (column.isName === true ? Math.min(widest, NAME_WANTED) - width : 0)) // prettier-ignore
    const wanted = most < RANK_OPTIONAL ? 0 : more.reduce((sum, each) => sum + Math.max(0, each), 0)
    if (widthOf(kept) + wanted <= width) break
    kept.splice(
      kept.findIndex(({ column }) => column.rank === most),
      1,
    )
  }
  return kept
}

/** Two blocks of lines next to each other if they fit, otherwise one below the other. */
export function beside(left: readonly string[], right: readonly string[], columns: number): string[] {
  const leftWidth = Math.max(0, ...left.map(columnsIn)) + 4
  if (left.length === 0 || right.length === 0 || leftWidth + Math.max(...right.map(columnsIn)) > columns)
    return [...left, ...right]
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
    right[i] === undefined ? left[i]! : padEnd(left[i] ?? '', leftWidth) + right[i],
  )
}
