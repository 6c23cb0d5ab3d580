/**
 * A table whose rows have keys: an update changes the cells that are different, and moves no row that stays. On a narrow
 * screen the style sheet makes a block of each row, so the roles of a table are given as attributes too.
 */
import { element, setText } from './dom.js'
import { NONE } from './format.js'

export interface Column {
  readonly title: string
  readonly isNumber?: boolean
}

/** Text, or with more: how serious it is, and a bar of this share of 1. */
export type Cell =
  | string
  | {
      readonly text: string
      readonly level?: 'warn' | 'bad' | undefined
      readonly share?: number | undefined
    }

export interface Row {
  readonly key: string
  /** The first is the heading of the row. */
  readonly cells: readonly Cell[]
}

export class Table {
  readonly #body = element('tbody', '', { role: 'rowgroup' })
  readonly #columns: readonly Column[]
  readonly #rows = new Map<string, HTMLTableRowElement>()

  constructor(table: HTMLElement, columns: readonly Column[]) {
    this.#columns = columns
    table.setAttribute('role', 'table')
    const head = element('thead', '', { role: 'rowgroup' })
    const row = element('tr', '', { role: 'row' })
    for (const { title, isNumber } of columns) {
      const cell = element('th', title, { scope: 'col', role: 'columnheader' })
      if (isNumber === true) cell.className = 'number'
      row.append(cell)
    }
    head.append(row)
    table.append(head, this.#body)
  }

  update(rows: readonly Row[]): void {
    const keys = new Set(rows.map(({ key }) => key))
    for (const [key, row] of this.#rows)
      if (!keys.has(key)) {
        row.remove()
        this.#rows.delete(key)
      }
    let next = this.#body.firstElementChild
    for (const { key, cells } of rows) {
      const row = this.#rows.get(key) ?? this.#add(key)
      if (row === next) next = next.nextElementSibling
      else this.#body.insertBefore(row, next)
      cells.forEach((cell, i) => show(row.cells[i]!, cell))
    }
  }

  #add(key: string): HTMLTableRowElement {
    const row = element('tr', '', { role: 'row' })
    this.#columns.forEach(({ title, isNumber }, i) => {
      const cell =
        i === 0
          ? element('th', '', { scope: 'row', role: 'rowheader' })
          : element('td', '', { role: 'cell', 'data-label': title })
      if (isNumber === true) cell.className = 'number'
      cell.append(element('span'))
      row.append(cell)
    })
    this.#rows.set(key, row)
    return row
  }
}

function show(at: HTMLTableCellElement, cell: Cell): void {
  const { text, level, share } = typeof cell === 'string' ? { text: cell } : cell
  setText(at.firstElementChild!, text)
  at.toggleAttribute('data-empty', text === NONE)
  if ((at.dataset['level'] ?? '') !== (level ?? '')) {
    if (level === undefined) delete at.dataset['level']
    else at.dataset['level'] = level
  }
  let bar = at.querySelector<HTMLElement>('.bar')
  if (share === undefined) {
    bar?.remove()
    return
  }
  if (bar === null) {
    bar = element('span', '', { class: 'bar', 'aria-hidden': 'true' })
    at.append(bar)
  }
  bar.style.setProperty('--share', `${Math.min(100, Math.max(0, share * 100)).toFixed(1)}%`)
}
