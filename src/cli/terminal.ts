/**
 * Text for a terminal or a pipe: colour where the terminal has it, tables and paragraphs that fit its width, and a status line
 * that is written again in place. A pipe gets no colour, no status line and lines of any length.
 */
import Table from 'cli-table3'
import type { WriteStream } from 'node:tty'
import { styleText } from 'node:util'

export type Paint = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

const ERASE_LINE = '\r\x1b[K'
/** For a terminal that does not know its width. */
const COLUMNS = 80
/** Narrower than this, lines are broken by the terminal. */
const COLUMNS_MIN = 20

/** Columns of a terminal; Infinity for a pipe or a file. */
export const columnsOf = (stream: WriteStream): number =>
  stream.isTTY ? Math.max(COLUMNS_MIN, stream.columns || COLUMNS) : Infinity

/** Colours the text, unless the stream is no terminal, has no colours, or the user has set NO_COLOR. */
export const paint = (stream: WriteStream, style: Paint, text: string): string =>
  stream.isTTY && stream.hasColors() ? styleText(style, text, { validateStream: false }) : text

/** One line of a terminal that is written again in place. On a pipe nothing is written. */
export class StatusLine {
  readonly #stream: WriteStream
  #isShown = false

  constructor(stream: WriteStream) {
    this.#stream = stream
  }

  /** Shows the text in place of the one before. It is cut to the width, because a line that wraps can't be erased. */
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

/** As many of the parts as fit into `width` columns; the ones with the highest `rank` are left out first. */
export function fitParts(parts: readonly (readonly [rank: number, text: string])[], width: number): string {
  const shown = [...parts]
  const text = () => shown.map(([, part]) => part).join('  ')
  while (text().length > width && shown.length > 1)
    shown.splice(shown.findIndex(([rank]) => rank === Math.max(...shown.map(([rank]) => rank))), 1) // prettier-ignore
  return text()
}

/** The text in lines of at most `width` columns, broken between words; all lines but the first begin with `indent` spaces. */
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

/** Columns that are kept for values; a label that leaves fewer has its value in the next line. */
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
  /** The first so many columns name the row, and are to the left; figures follow, to the right. */
  readonly names: number
  readonly width: number
  /** For the head, line by line. */
  readonly emphasize?: (text: string) => string
}

/** Between 8 and this many columns a head is as wide as the figures below it. */
const HEAD_MIN = 8
const NO_BORDER = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right',
    'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'].map((name) => [name, '']),
) // prettier-ignore

/** Rows in columns without borders; undefined if they do not fit. Heads are broken between words. */
export function columnsText({
  head,
  rows,
  names,
  width,
  emphasize = (text) => text,
}: TableSettings): string | undefined {
  const heads = head.map((text, i) => wrap(text, Math.max(HEAD_MIN, ...rows.map((row) => row[i]!.length)), 0))
  for (const middle of ['  ', ' ']) {
    const table = new Table({
      chars: { ...NO_BORDER, middle },
      colAligns: head.map((_, i) => (i < names ? 'left' : 'right')),
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    })
    table.push(heads, ...rows.map((row) => [...row]))
    const lines = table.toString().split('\n').map((line) => line.trimEnd()) // prettier-ignore
    if (Math.max(...lines.map(({ length }) => length)) > width) continue
    const headLines = Math.max(...heads.map((text) => text.split('\n').length))
    return lines.map((line, i) => (i < headLines ? emphasize(line) : line)).join('\n')
  }
  return undefined
}

/** Each row as a paragraph of its own: its names, and below them each figure with its head. For narrow terminals. */
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

/** Rows in columns, or as paragraphs where the terminal is too narrow. */
export const tableText = (settings: TableSettings): string =>
  columnsText(settings) ?? paragraphsText(settings)
