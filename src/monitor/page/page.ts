/**
 * The page of the monitor: receives samples and events, and shows them. Each part of the page has a file of its own, which
 * takes the newest sample and what happened since the one before.
 */
import type { MonitorEvent, MonitorSample } from '../protocol.js'
import { type Rates, ratesOf } from '../rates.js'
import { showBanner } from './banner.js'
import { Connection } from './connection.js'
import { byId, setText } from './dom.js'
import { Figures, Latencies } from './figures.js'
import { nameText, plural } from './format.js'
import { Plots } from './plots.js'
import { Pool } from './pool.js'
import { Rounds } from './rounds.js'
import { Events, Groups, Partitions, Threads } from './tables.js'

/** After a longer time without samples, such as a pause, a plot has a gap. */
const GAP_SECONDS = 5
/** Where the system asks for less motion, what moves is drawn once in so many samples. */
const CALM_SAMPLES = 5

const figures = new Figures()
const latencies = new Latencies()
const groups = new Groups()
const partitions = new Partitions()
const threads = new Threads()
const rounds = new Rounds()
const events = new Events()
const plots = new Plots()
const pool = new Pool()
const calm = matchMedia('(prefers-reduced-motion: reduce)')

let before: MonitorSample | undefined
let sample: MonitorSample | undefined
let rates: Rates | undefined
let isPaused = false
let lostAtMs: number | undefined
let end: string | undefined
let samples = 0

const ENDS: readonly string[] = ['closed', 'orphaned', 'detached']

const connection = new Connection({
  sample(next: MonitorSample) {
    if (end !== undefined && next.stats.state === 'open' && next.pid !== sample?.pid) end = undefined
    lostAtMs = undefined
    if (sample !== undefined && next.pid !== sample.pid) {
      plots.clear()
      sample = undefined
    }
    before = sample
    sample = next
    rates = before === undefined ? undefined : ratesOf(before, sample)
    if (before !== undefined && rates !== undefined && rates.seconds > GAP_SECONDS)
      plots.add(sample.timeMs - 1, undefined)
    plots.add(sample.timeMs, rates)
    show()
  },
  event(event: MonitorEvent) {
    events.add(event)
    if (ENDS.includes(event.name)) end = event.name
    banner()
  },
  lost() {
    lostAtMs ??= Date.now()
    banner()
  },
})

function banner(): void {
  showBanner({ sample, isPaused, lostAtMs, end })
}

function show(): void {
  banner()
  // A page that is not seen keeps the history, and draws nothing.
  if (sample === undefined || document.hidden) return
  const { stats, name, pid } = sample
  setText(byId('name'), nameText(name))
  document.title = `${nameText(name)} – dcache monitor`
  setText(
    byId('about'),
    `process ${pid}, ${plural(sample.threads.length, 'thread')}, ${plural(Object.keys(stats.partitions).length, 'partition')}`,
  )
  figures.update(sample, rates)
  latencies.update(rates)
  groups.update(sample, before, rates)
  partitions.update(sample, rates)
  threads.update(sample)
  if (calm.matches && samples++ % CALM_SAMPLES !== 0) return
  rounds.update(sample)
  plots.draw()
  void pool.ask(sample)
}

const button = byId('pause')
button.addEventListener('click', () => {
  isPaused = !isPaused
  button.setAttribute('aria-pressed', String(isPaused))
  setText(button, isPaused ? 'Resume' : 'Pause')
  // A page that is paused costs the program nothing.
  if (isPaused) connection.stop()
  else connection.start()
  banner()
})
document.addEventListener('visibilitychange', show)
connection.start()
