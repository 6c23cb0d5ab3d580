/**
 * The map of the pool: a square for each run of frames, divided by what they hold, or coloured by the partition that most
 * are of, or by how many were used again lately. Under it the same in words; the arrow keys go through the squares, whose
 * contents stand below.
 */
import type { PoolCell, PoolMap } from '../../shared/reports.js'
import type { MonitorSample } from '../protocol.js'
import { byId, colour, legendItem, onScheme, setText, swatch } from './dom.js'
import { nameText, percent, plural, whole } from './format.js'

const CELLS = 1024
const STATES = ['clean', 'dirty', 'absent', 'lent', 'free'] as const
type State = (typeof STATES)[number]

const STATE_COLOURS: Readonly<Record<State, string>> = {
  clean: 'c1',
  dirty: 'c2',
  absent: 'c4',
  lent: 'c5',
  free: 'free',
}
const STATE_TEXTS: Readonly<Record<State, string>> = {
  clean: 'clean',
  dirty: 'dirty: changed, not on the disk yet',
  absent: 'being read',
  lent: 'lent for images of changes',
  free: 'free',
}
/** Of partitions, by size; all others share the last. */
const PARTITION_COLOURS = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8'] as const
/** A colour, and the share of a square that has it. */
type Part = readonly [fill: string, share: number]
/** Of the legend. */
type Entry = readonly [fill: string, text: string]

interface Paint {
  readonly partsOf: (cell: PoolCell) => readonly Part[]
  readonly legend: readonly Entry[]
}

const HEAT_STEPS = 5
const SIDE_LEAST = 14
const GAP = 1

export class Pool {
  readonly #canvas = byId('pool') as HTMLCanvasElement
  #map: PoolMap | undefined
  #names = new Map<number, string>()
  #isAsking = false
  #columns = 1
  #side = SIDE_LEAST
  #chosen = -1

  constructor() {
    for (const radio of document.querySelectorAll('input[name=colour]'))
      radio.addEventListener('change', () => {
        this.draw()
      })
    new ResizeObserver(() => {
      this.draw()
    }).observe(this.#canvas.parentElement!)
    onScheme(() => {
      this.draw()
    })
    this.#canvas.addEventListener('pointermove', (event) => {
      const column = Math.floor(event.offsetX / this.#side)
      this.#choose(
        Math.floor(event.offsetY / this.#side) * this.#columns + Math.min(column, this.#columns - 1),
      )
    })
    this.#canvas.addEventListener('keydown', (event) => {
      const steps: Readonly<Record<string, number | undefined>> = {
        ArrowLeft: -1,
        ArrowRight: 1,
        ArrowUp: -this.#columns,
        ArrowDown: this.#columns,
      }
      const step = steps[event.key]
      if (step === undefined) return
      event.preventDefault()
      const last = (this.#map?.cells.length ?? 0) - 1
      this.#choose(this.#chosen < 0 ? 0 : Math.min(last, Math.max(0, this.#chosen + step)))
    })
  }

  /** Asks for the map, unless an answer is still awaited. */
  async ask({ stats }: MonitorSample): Promise<void> {
    this.#names = new Map(Object.entries(stats.partitions).map(([name, { index }]) => [index, name]))
    if (this.#isAsking) return
    this.#isAsking = true
    try {
      const answer = await fetch(`pool?cells=${CELLS}`)
      if (answer.ok) this.#map = (await answer.json()) as PoolMap
      this.draw()
    } catch {
      // The connection is lost, which the banner says.
    } finally {
      this.#isAsking = false
    }
  }

  draw(): void {
    const map = this.#map
    if (map === undefined) return
    const width =
      this.#canvas.parentElement!.clientWidth -
      2 * parseFloat(getComputedStyle(this.#canvas.parentElement!).paddingLeft)
    if (!(width > 0)) return
    this.#columns = Math.max(1, Math.floor(width / SIDE_LEAST))
    this.#side = width / this.#columns
    const rows = Math.max(1, Math.ceil(map.cells.length / this.#columns))
    const dots = window.devicePixelRatio || 1
    const height = rows * this.#side
    this.#canvas.width = Math.round(width * dots)
    this.#canvas.height = Math.round(height * dots)
    this.#canvas.style.height = `${height}px`
    const context = this.#canvas.getContext('2d')!
    context.scale(dots, dots)
    const paint = this.#paint(map)
    map.cells.forEach((cell, i) => {
      const [x, y] = [(i % this.#columns) * this.#side, Math.floor(i / this.#columns) * this.#side]
      const inner = this.#side - GAP
      let top = y
      for (const [fill, share] of paint.partsOf(cell)) {
        context.fillStyle = fill
        context.fillRect(x, top, inner, inner * share)
        top += inner * share
      }
      if (i !== this.#chosen) return
      context.strokeStyle = colour('text')
      context.lineWidth = 2
      context.strokeRect(x + 1, y + 1, this.#side - GAP - 2, this.#side - GAP - 2)
    })
    this.#showTexts(map, paint.legend)
  }

  #paint(map: PoolMap): Paint {
    const chosen = document.querySelector<HTMLInputElement>('input[name=colour]:checked')?.value
    if (chosen === 'partition') return this.#byPartition(map)
    if (chosen === 'heat') return byHeat()
    const colours = new Map(STATES.map((state) => [state, colour(STATE_COLOURS[state])]))
    const partsOf = (cell: PoolCell) =>
      STATES.map((state): Part => [colours.get(state)!, cell.looked === 0 ? 0 : cell[state] / cell.looked])
    return { partsOf, legend: STATES.map((state) => [colours.get(state)!, STATE_TEXTS[state]]) }
  }

  #byPartition(map: PoolMap): Paint {
    const sizes = new Map<number, number>()
    for (const { partition } of map.cells)
      if (partition >= 0) sizes.set(partition, (sizes.get(partition) ?? 0) + 1)
    const last = PARTITION_COLOURS.length - 1
    const isMany = sizes.size > PARTITION_COLOURS.length
    // By number, so that a partition keeps its colour while sizes change; the largest ones, if there are too many.
    const all = [...sizes.keys()].sort((a, b) => (isMany ? sizes.get(b)! - sizes.get(a)! : 0) || a - b)
    const shown = isMany ? all.slice(0, last) : all
    const colours = new Map(shown.map((partition, i) => [partition, colour(PARTITION_COLOURS[i]!)]))
    const [free, other] = [colour('free'), colour(PARTITION_COLOURS[last]!)]
    const legend = shown.map((partition): Entry => [colours.get(partition)!, this.#nameOf(partition)])
    if (isMany) legend.push([other, `${all.length - shown.length} others`])
    return {
      partsOf: ({ partition }) => [[partition < 0 ? free : (colours.get(partition) ?? other), 1]],
      legend: [...legend, [free, 'no block']],
    }
  }

  #nameOf(partition: number): string {
    const name = this.#names.get(partition)
    return name === undefined ? `number ${partition}` : nameText(name)
  }

  #showTexts(map: PoolMap, legend: readonly Entry[]): void {
    const list = byId('pool-legend')
    const key = JSON.stringify(legend)
    if (list.dataset['key'] !== key) {
      list.dataset['key'] = key
      list.replaceChildren(...legend.map(([fill, text]) => legendItem(swatch(fill), text)))
    }
    const text = summaryOf(map)
    setText(byId('pool-text'), text)
    this.#canvas.setAttribute('aria-label', `Map of the pool, ${plural(map.cells.length, 'square')}`)
    this.#showCell()
  }

  #choose(cell: number): void {
    if (cell < 0 || cell >= (this.#map?.cells.length ?? 0) || cell === this.#chosen) return
    this.#chosen = cell
    this.draw()
  }

  #showCell(): void {
    const cell = this.#map?.cells[this.#chosen]
    if (cell === undefined) {
      setText(
        byId('pool-cell'),
        'Point at a square, or go there with the arrow keys, to see what its frames hold.',
      )
      return
    }
    const share = (part: number) => percent(cell.looked === 0 ? undefined : part / cell.looked)
    const states = STATES.filter((state) => cell[state] > 0).map((state) => `${share(cell[state])} ${state}`)
    const partition = cell.partition < 0 ? '' : `; most are of ${this.#nameOf(cell.partition)}`
    const uses = `${share(cell.held)} held, ${share(cell.hot)} used again lately`
    const text = `${plural(cell.frames, 'frame')}: ${states.join(', ')}; ${uses}${partition}.`
    setText(byId('pool-cell'), `Square ${whole(this.#chosen + 1)}, ${text}`)
  }
}

function byHeat(): Paint {
  const steps = Array.from({ length: HEAT_STEPS }, (_, i) => mixed(i / (HEAT_STEPS - 1)))
  const free = colour('free')
  const colourOf = ({ free: empty, lent, looked, hot }: PoolCell) => {
    const blocks = looked - empty - lent
    return blocks <= 0 ? free : steps[Math.min(HEAT_STEPS - 1, Math.floor((hot / blocks) * HEAT_STEPS))]!
  }
  const upTo = (i: number) => Math.round((i * 100) / HEAT_STEPS)
  const legend = steps.map((fill, i): Entry => [
    fill,
    `${upTo(i)} to ${upTo(i + 1)} %${i === 0 ? ' of the blocks used again lately' : ''}`,
  ])
  return { partsOf: (cell) => [[colourOf(cell), 1]], legend: [...legend, [free, 'no block']] }
}

/** A colour between cold and hot. */
function mixed(share: number): string {
  const parse = (name: string) => [1, 3, 5].map((at) => parseInt(colour(name).slice(at, at + 2), 16))
  const [cold, hot] = [parse('cold'), parse('hot')]
  return `rgb(${cold.map((part, i) => Math.round(part + (hot[i]! - part) * share)).join(' ')})`
}

function summaryOf({ frames, looked, cells }: PoolMap): string {
  const sum = (what: State | 'held' | 'hot') => cells.reduce((total, cell) => total + cell[what], 0)
  const share = (what: State | 'held' | 'hot') => percent(looked === 0 ? undefined : sum(what) / looked)
  const states = STATES.map((state) => `${share(state)} ${state}`).join(', ')
  const sampled = looked < frames ? `, of which ${whole(looked)} were looked at` : ''
  const uses = `${share('held')} are held by threads, ${share('hot')} were used again lately`
  return `${plural(frames, 'frame')}${sampled}: ${states}; ${uses}.`
}
