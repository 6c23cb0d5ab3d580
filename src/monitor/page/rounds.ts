/**
 * Rounds of write-back on a line of time: a row for each group with its rounds and stages, and one for each of its
 * partitions with writes and fsyncs, coloured by write class. Without records of them it says what to switch on.
 */
import type { MonitorSample, MonitorSpan } from '../protocol.js'
import { byId, element, legendItem, setText, svg, swatch } from './dom.js'
import { duration, groupText, nameText, plural, time } from './format.js'

const WINDOW_MS = 20_000
const ROW = 26
const TOP = 22
const ROWS_MAX = 24
/** More would make the drawing slow. */
const KEPT_MAX = 4000
const LABEL_MAX = 26
const COLOURS = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'] as const
/** What has no write class. */
const PLAIN = 'c8'

const OFF =
  'Rounds are not recorded. Open the cache with the option traceEntries, for example 65536, to see here when each group and ' +
  'partition was written and synced.'

interface RoundRow {
  readonly label: string
  readonly spans: MonitorSpan[]
}

export class Rounds {
  readonly #place = byId('rounds')
  readonly #note = element('p', '', { class: 'note' })
  #kept = new Map<string, MonitorSpan>()
  readonly #legend = element('ul', '', { class: 'legend' })
  readonly #classes: string[] = []
  #drawing: SVGElement | undefined

  constructor() {
    this.#place.append(this.#legend, this.#note)
  }

  update({ spans, timeMs }: MonitorSample): void {
    if (spans === undefined) {
      this.#drawing?.remove()
      this.#drawing = undefined
      setText(this.#note, OFF)
      return
    }
    const recent = this.#keep(spans, timeMs)
    const all = rowsOf(recent)
    const rows = all.slice(0, ROWS_MAX)
    for (const { writeClass } of recent)
      if (writeClass !== undefined && !this.#classes.includes(writeClass)) this.#addClass(writeClass)
    const drawing = this.#draw(rows, timeMs)
    if (this.#drawing === undefined) this.#place.prepend(drawing)
    else this.#drawing.replaceWith(drawing)
    this.#drawing = drawing
    const more = all.length > rows.length ? ` ${plural(all.length - rows.length, 'row')} more.` : ''
    const text = summaryOf(recent)
    drawing.setAttribute('aria-label', text)
    setText(this.#note, text + more)
  }

  /** Samples overlap, and each has the last moments only. The newest of what is kept, by when they began. */
  #keep(spans: readonly MonitorSpan[], timeMs: number): MonitorSpan[] {
    for (const span of spans) this.#kept.set(`${span.slot} ${span.point} ${span.startMs}`, span)
    const recent = [...this.#kept].filter(
      ([, { startMs, durationMs }]) => startMs + durationMs > timeMs - WINDOW_MS,
    )
    this.#kept = new Map(recent.sort(([, a], [, b]) => a.startMs - b.startMs).slice(-KEPT_MAX))
    return [...this.#kept.values()]
  }

  #addClass(writeClass: string): void {
    this.#classes.push(writeClass)
    const item = legendItem(swatch(`var(--${this.#colourOf(writeClass)})`), `class ${nameText(writeClass)}`)
    this.#legend.append(item)
  }

  #colourOf(writeClass: string | undefined): string {
    const place = writeClass === undefined ? -1 : this.#classes.indexOf(writeClass)
    return place < 0 ? PLAIN : COLOURS[place % COLOURS.length]!
  }

  #draw(rows: readonly RoundRow[], timeMs: number): SVGElement {
    const width = Math.max(280, this.#place.clientWidth)
    const left = Math.min(190, Math.round(width * 0.36))
    const height = TOP + Math.max(1, rows.length) * ROW
    const drawing = svg('svg', { class: 'rounds', viewBox: `0 0 ${width} ${height}`, height, role: 'img' })
    const xOf = (ms: number) =>
      left + (Math.max(0, ms - (timeMs - WINDOW_MS)) / WINDOW_MS) * (width - left - 4)
    const ticks = width < 640 ? 2 : 4
    for (let tick = 0; tick <= ticks; tick++) {
      const ms = timeMs - WINDOW_MS + (tick * WINDOW_MS) / ticks
      const anchor = tick === 0 ? 'start' : tick === ticks ? 'end' : 'middle'
      drawing.append(svg('line', { x1: xOf(ms), x2: xOf(ms), y1: TOP - 6, y2: height }))
      drawing.append(label(time(ms), { x: xOf(ms), y: 12, 'text-anchor': anchor, class: 'tick' }))
    }
    rows.forEach(({ label: text, spans }, i) => {
      const y = TOP + i * ROW
      const most = Math.floor(left / 7.2)
      const short = text.length > most ? `${text.slice(0, most - 1)}…` : text
      drawing.append(label(short, { x: 0, y: y + ROW / 2 + 4 }))
      for (const span of spans) drawing.append(this.#bar(span, y, xOf))
    })
    return drawing
  }

  #bar(span: MonitorSpan, y: number, xOf: (ms: number) => number): SVGElement {
    const { point, startMs, durationMs, writeClass } = span
    // An fsync is low and outlined, a round is an outline around its stages.
    const [top, height] = point === 'disk.fsync' ? [14, 8] : point === 'work.round' ? [2, 21] : [4, 17]
    const x = xOf(startMs)
    const fill = `var(--${this.#colourOf(writeClass)})`
    const bar = svg('rect', {
      x,
      y: y + top,
      width: Math.max(1.5, xOf(startMs + durationMs) - x),
      height,
      fill: point === 'work.round' ? 'none' : fill,
      ...(point === 'work.round' || point === 'disk.fsync'
        ? { stroke: 'var(--text)', 'stroke-width': 1 }
        : {}),
    })
    const title = svg('title', {})
    title.textContent = spanText(span)
    bar.append(title)
    return bar
  }
}

function label(text: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = svg('text', attributes)
  made.textContent = text
  return made
}

/** Of each group the rounds, then its partitions. */
function rowsOf(spans: readonly MonitorSpan[]): RoundRow[] {
  const rows = new Map<string, RoundRow>()
  for (const span of spans) {
    const { group = '', partition } = span
    const key = `${group}\0${partition ?? ''}`
    const own = group === '' ? groupText(group) : `group ${groupText(group)}`
    const name = partition === undefined ? own : nameText(partition)
    const row = rows.get(key) ?? { label: name.slice(0, LABEL_MAX), spans: [] }
    rows.set(key, row)
    row.spans.push(span)
  }
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
}

const NAMES: Readonly<Record<MonitorSpan['point'], string>> = {
  'work.round': 'round',
  'work.stage': 'stage',
  'disk.write': 'write',
  'disk.fsync': 'fsync',
}

function spanText({ point, partition, writeClass, durationMs, blocks, startMs }: MonitorSpan): string {
  const parts = [
    NAMES[point],
    partition === undefined ? '' : `of ${nameText(partition)}`,
    writeClass === undefined ? '' : `class ${nameText(writeClass)}`,
    blocks === undefined ? '' : plural(blocks, 'block'),
    duration(durationMs),
    `at ${time(startMs)}`,
  ]
  return parts.filter((part) => part !== '').join(', ')
}

function summaryOf(spans: readonly MonitorSpan[]): string {
  const of = (point: MonitorSpan['point']) => spans.filter((span) => span.point === point)
  const longest = (some: readonly MonitorSpan[]) =>
    some.length === 0
      ? ''
      : ` (the longest ${duration(Math.max(...some.map(({ durationMs }) => durationMs)))})`
  const [rounds, writes, syncs] = [of('work.round'), of('disk.write'), of('disk.fsync')]
  const told = [
    `${plural(rounds.length, 'round')}${longest(rounds)}`,
    `${plural(writes.length, 'write')}${longest(writes)}`,
    `${plural(syncs.length, 'fsync')}${longest(syncs)}`,
  ]
  return `In the last ${WINDOW_MS / 1000} s, as far as they are recorded: ${told.join(', ')}.`
}
