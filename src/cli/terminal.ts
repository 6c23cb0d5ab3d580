/**
 * Text output. A terminal gets colour if it supports it, tables and paragraphs that fit its width, and a status line
 * that is updated in place. A pipe or a file gets no colour, no status line and lines of any length.
 */
import Table from 'cli-table3'
import stringWidth from 'string-width'
import type { WriteStream } from 'node:tty'
import { styleText } from 'node:util'

export type Paint = 'bold' | 'dim' | 'inverse' | 'red' | 'green' | 'yellow'

const ERASE_LINE = '\r\x1b[K'
/** Assumed for a terminal that does not report its width. */
const COLUMNS = 80
/** The smallest width that lines are fitted to. A narrower terminal wraps them itself. */
const COLUMNS_MIN = 20

/** Columns of a terminal; Infinity for a pipe or a file. */
export const columnsOf = (stream: WriteStream): number =>
  stream.isTTY ? Math.max(COLUMNS_MIN, stream.columns || COLUMNS) : Infinity

/** Colours the text if the stream is a terminal with colours and NO_COLOR is not set. */
export const paint = (stream: WriteStream, style: Paint, text: string): string =>
  stream.isTTY && stream.hasColors() ? styleText(style, text, { validateStream: false }) : text

const ASCII = /^[\x20-\x7e]*$/
/** Columns that the text takes in a terminal: wide characters take two, and colours none. */
export const columnsIn = (text: string): number => (ASCII.test(text) ? text.length : stringWidth(text))

/** A line of a terminal that is updated in place. Writes nothing to a pipe or a file. */
export class StatusLine {
  readonly #stream: WriteStream
  #isShown = false

  constructor(stream: WriteStream) {
    this.#stream = stream
  }

  /** Replaces the shown text. It is cut to the width, because a line that wraps can't be erased. */
  show(text: string): void {
    if (!this.#stream.isTTY) return
    this.#stream.write(ERASE_LINE + text.slice(0, columnsOf(this.#stream) - 1))
    this.#isShown = true
  }

  erase(): void {
    if (this.#isShown) this.#stream.write(ERASE_LINE)
    this.#isShown = false
  }
}

/** Joins the parts that fit into `width` columns. Those with the highest `rank` are omitted first. */
export function fitParts(parts: readonly (readonly [rank: number, text: string])[], width: number): string {
  const shown = [...parts]
  const text = () => shown.map(([, part]) => part).join('  ')
  while (text().length > width && shown.length > 1)
    shown.splice(shown.findIndex(([rank]) => rank === Math.max(...shown.map(([rank]) => rank))), 1) // prettier-ignore
  return text()
}

/** Wraps the text between words to `width` columns. All lines except the first begin with `indent` spaces. */
export function wrap(text: string, width: number, indent = 0): string {
  if (text.length <= width) return text
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line.trim() === '') line += word
    else if (line.length + 1 + word.length <= width) line += ` ${word}`
    else {
      lines.push(line)
      line = ' '.repeat(indent) + word
    }
  }
  return [...lines, line].join('\n')
}

/** Columns reserved for values. If a label leaves fewer, its value goes to the next line. */
const VALUE_MIN = 14

/** Labels and values in two columns; a value that is too long continues below itself. */
export function listText(rows: readonly (readonly [label: string, value: string])[], width: number): string {
  const fits = rows
    .map(([label]) => label.length)
    .filter((length) => length < width - Math.min(VALUE_MIN, width / 2))
  const at = Math.max(0, ...fits) + 2
  return rows
    .map(([label, value]) =>
      label.length + 2 > at
        ? `${wrap(label, width, 2)}\n${' '.repeat(at)}${wrap(value, width - at).replaceAll('\n', `\n${' '.repeat(at)}`)}`
        : wrap(`${label.padEnd(at - 1)} ${value}`, width, at),
    )
    .join('\n')
}

export interface TableSettings {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /**
   * The number of leading columns that name the row. They are left-aligned; the figures after them are right-aligned.
   */
  readonly names: number
  readonly width: number
  /** Applied to each line of the head. */
  readonly emphasize?: (text: string) => string
}

/** A head is wrapped to the width of the figures below it, but to no less than this many columns. */
const HEAD_MIN = 8
const NO_BORDER = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right',
    'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'].map((name) => [name, '']),
) // prettier-ignore

/** Formats rows in columns without borders. Heads wrap between words. Returns undefined if the table does not fit. */
export function columnsText({
  head,
  rows,
  names,
  width,
  emphasize = (text) => text,
}: TableSettings): string | undefined {
  const heads = head.map((text, i) =>
    wrap(text, Math.max(HEAD_MIN, ...rows.map((row) => columnsIn(row[i]!))), 0),
  )
  for (const middle of ['  ', ' ']) {
    const table = new Table({
      chars: { ...NO_BORDER, middle },
      colAligns: head.map((_, i) => (i < names ? 'left' : 'right')),
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    })
    table.push(heads, ...rows.map((row) => [...row]))
    const lines = table.toString().split('\n').map((line) => line.trimEnd()) // prettier-ignore
    if (Math.max(...lines.map(columnsIn)) > width) continue
    const headLines = Math.max(...heads.map((text) => text.split('\n').length))
    return lines.map((line, i) => (i < headLines ? emphasize(line) : line)).join('\n')
  }
  return undefined
}

/** For narrow terminals: formats each row as a paragraph with its names, then each figure next to its head. */
export function paragraphsText({
  head,
  rows,
  names,
  width,
  emphasize = (text) => text,
}: TableSettings): string {
  return rows
    .map((row) => {
      const title = wrap(row.slice(0, names).map((name, i) => (head[i] === '' ? name : `${head[i]!} ${name}`)).join(', '), width) // prettier-ignore
      const figures = row.flatMap((figure, i) =>
        i < names || figure === '' ? [] : [[`  ${head[i]!}`, figure] as const],
      )
      return `${emphasize(title)}\n${listText(figures, width)}`
    })
    .join('\n')
}

/** Formats rows in columns, or as paragraphs if the terminal is too narrow. */
export const tableText = (settings: TableSettings): string =>
  columnsText(settings) ?? paragraphsText(settings)
