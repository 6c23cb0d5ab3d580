/**
 * The plots over the last two minutes, drawn by uPlot. Under each stands its legend with the present values, and the lowest
 * and the highest, in words: a plot is never the only place of a number.
 */
import uPlot from 'uplot'
import type { Rates } from '../rates.js'
import { byId, colour, element, legendItem, onScheme, setText, swatch } from './dom.js'
import { bytes, duration, percent, perSecond, time } from './format.js'

interface Series {
  readonly title: string
  readonly colour: string
  readonly dash: readonly number[]
  readonly value: (rates: Rates) => number | undefined
}

interface PlotOptions {
  readonly at: string
  readonly series: readonly Series[]
  readonly text: (value: number | undefined) => string
  readonly scale: Partial<uPlot.Scale>
  /** Numbers that the axis may step by, if not the usual ones. */
  readonly steps?: number[]
}

const SECONDS = 120
const POINTS_MAX = 1000
const HEIGHT = 180
/** uPlot's enum is in its types only. */
const LOGARITHMIC = 3 as uPlot.Scale.Distr // eslint-disable-line @typescript-eslint/no-unsafe-enum-assignment
const BINARY = Array.from({ length: 50 }, (_, i) => 2 ** i)

const blue = { colour: 'c1', dash: [] }
const orange = { colour: 'c2', dash: [7, 4] }
const green = { colour: 'c3', dash: [2, 3] }

const PLOTS: readonly PlotOptions[] = [
  {
    at: 'plot-hits',
    series: [{ ...blue, title: 'hits of lookups', value: ({ hitRatio }) => percents(hitRatio) }],
    text: (value) => percent(value === undefined ? value : value / 100),
    scale: { range: [0, 100] },
  },
  {
    at: 'plot-lookups',
    series: [{ ...blue, title: 'lookups', value: ({ lookups }) => lookups }],
    text: (value) => perSecond(value),
    scale: { range: fromZero },
  },
  {
    at: 'plot-disk',
    series: [
      { ...blue, title: 'read', value: ({ diskReadBytes }) => diskReadBytes },
      { ...orange, title: 'written', value: ({ diskWriteBytes }) => diskWriteBytes },
    ],
    text: (value) => perSecond(value, bytes),
    scale: { range: fromZero },
    steps: BINARY,
  },
  {
    at: 'plot-latency',
    series: [
      { ...blue, title: 'read', value: ({ read }) => read.p99Ms },
      { ...orange, title: 'fsync', value: ({ fsync }) => fsync.p99Ms },
      { ...green, title: 'writer stalls', value: ({ writerStalls }) => writerStalls.p99Ms },
    ],
    text: duration,
    scale: { distr: LOGARITHMIC, range: decades },
  },
]

const percents = (share: number | undefined): number | undefined =>
  share === undefined ? share : share * 100

function fromZero(_plot: uPlot, _least: number, most: number | null): uPlot.Range.MinMax {
  return [0, most === null || most <= 0 ? 1 : most * 1.1]
}

/** Whole decades, two at least. */
function decades(_plot: uPlot, least: number | null, most: number | null): uPlot.Range.MinMax {
  const low = 10 ** Math.floor(Math.log10(least ?? 0.01))
  return [low, Math.max(low * 100, 10 ** Math.ceil(Math.log10(most ?? 1)))]
}

export class Plots {
  readonly #times: number[] = []
  readonly #rates: (Rates | undefined)[] = []
  readonly #plots = PLOTS.map((options) => new Plot(options))

  /** `rates` undefined: a gap, because nothing is known of the time before. */
  add(timeMs: number, rates: Rates | undefined): void {
    this.#times.push(timeMs / 1000)
    this.#rates.push(rates)
    const old = this.#times.findIndex((seconds) => seconds >= timeMs / 1000 - SECONDS)
    const gone = Math.max(old, this.#times.length - POINTS_MAX)
    this.#times.splice(0, gone)
    this.#rates.splice(0, gone)
  }

  clear(): void {
    this.#times.length = 0
    this.#rates.length = 0
  }

  draw(): void {
    for (const plot of this.#plots) plot.draw(this.#times, this.#rates)
  }
}

class Plot {
  readonly #options: PlotOptions
  readonly #plot: uPlot
  readonly #values: readonly HTMLElement[]

  constructor(options: PlotOptions) {
    this.#options = options
    const place = byId(options.at)
    this.#plot = new uPlot(this.#shape(place.clientWidth), [[]], place)
    this.#plot.root.setAttribute('aria-hidden', 'true') // the legend says the same
    const legend = element('ul', '', { class: 'legend' })
    this.#values = options.series.map(({ title, colour: name, dash }) => {
      const item = legendItem(swatch(`var(--${name})`, dash), '')
      item.lastElementChild!.append(`${title} `, element('b'), element('span'))
      legend.append(item)
      return item
    })
    place.after(legend)
    new ResizeObserver(() => {
      if (place.clientWidth > 0) this.#plot.setSize({ width: place.clientWidth, height: HEIGHT })
    }).observe(place)
    onScheme(() => {
      this.#plot.redraw()
    })
  }

  draw(times: readonly number[], rates: readonly (Rates | undefined)[]): void {
    const { series, text } = this.#options
    const lines = series.map(({ value }) =>
      rates.map((each) => (each === undefined ? null : (value(each) ?? null))),
    )
    this.#plot.setData([[...times], ...lines])
    lines.forEach((line, i) => {
      const [now, range] = this.#values[i]!.querySelectorAll('b, span > span')
      setText(now!, text(line.at(-1) ?? undefined))
      const known = line.filter((value) => value !== null)
      const isRange = known.length > 1
      setText(range!, isRange ? ` (${text(Math.min(...known))} to ${text(Math.max(...known))})` : '')
    })
  }

  #shape(width: number): uPlot.Options {
    const { series, text, scale, steps } = this.#options
    const axis = { stroke: () => colour('dim'), font: '12px system-ui, sans-serif' }
    const isLogarithmic = scale.distr === LOGARITHMIC
    // On a scale of logarithms only the powers of ten, of all that uPlot has a line for.
    const filter = (_plot: uPlot, at: (number | null)[]) =>
      at.map((value) => (isLogarithmic && value !== null && !isPower(value) ? null : value))
    const plain = { stroke: () => colour('grid'), width: 1 }
    const lines = { ...plain, filter }
    return {
      width: Math.max(width, 100),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      padding: [10, 12, 0, 0],
      scales: {
        x: { range: (_plot, _from, to) => [(to || Date.now() / 1000) - SECONDS, to || Date.now() / 1000] },
        y: scale,
      },
      series: [
        {},
        ...series.map(({ colour: name, dash }) => ({
          stroke: () => colour(name),
          width: 2,
          dash: [...dash],
          points: { show: false },
        })),
      ],
      axes: [
        {
          ...axis,
          grid: plain,
          ticks: plain,
          size: 34,
          space: 80,
          values: (_plot, at) => at.map((seconds) => time(seconds * 1000)),
        },
        {
          ...axis,
          grid: lines,
          ticks: lines,
          size: 76,
          space: 34,
          ...(steps === undefined ? {} : { incrs: steps }),
          filter,
          values: (_plot, at) => at.map((value) => tickText(value, text)),
        },
      ],
    }
  }
}

const isPower = (value: number): boolean => {
  const power = Math.log10(value)
  return Math.abs(power - Math.round(power)) < 1e-6
}

/** uPlot passes null for what its filter left out. */
function tickText(value: number | null, text: PlotOptions['text']): string {
  if (value === null) return ''
  return value === 0 ? '0' : text(value)
}
