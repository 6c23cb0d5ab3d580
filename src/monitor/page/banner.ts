/**
 * The banner: how the cache is, in words, and what to do. It alone is read out when it changes, so it has no figures that
 * move.
 */
import type { MonitorSample } from '../protocol.js'
import { byId, setText } from './dom.js'
import { nameText, time } from './format.js'

export interface Situation {
  readonly sample: MonitorSample | undefined
  readonly isPaused: boolean
  /** When the connection was lost; undefined if there is one. */
  readonly lostAtMs: number | undefined
  /** The event that ended the monitor. */
  readonly end: string | undefined
}

interface Banner {
  readonly level: 'good' | 'warn' | 'bad' | 'wait'
  readonly text: string
}

const NAMES_MAX = 5

const DETACHED =
  'Ended: the thread of this monitor has left the cache. The cache may go on; this page shows the last sample.'
const CLOSED = 'Closed. This page shows the last sample, and waits for the program to start again.'
const ORPHANED =
  'Orphaned: the thread that opened the cache has ended without closing it, and nothing is written any more. What was not ' +
  'flushed is lost. Open the cache again, in a thread that outlives the others.'
const BROKEN =
  'Broken: threads of the engine end repeatedly or cannot be started, and nothing is written any more. Call abandon(), ' +
  'which lists what is lost, and open the cache again.'
const CLOSING = 'Closing: the last changes are being written.'
const OPEN = 'Open. Everything is being written as it should be.'

export function showBanner(situation: Situation): void {
  const { level, text } = bannerOf(situation)
  const banner = byId('banner')
  banner.dataset['level'] = level
  setText(banner, text)
}

/** The most serious that there is to say. */
function bannerOf({ sample, isPaused, lostAtMs, end }: Situation): Banner {
  const state = sample?.stats.state
  if (end === 'detached') return { level: 'warn', text: DETACHED }
  if (state === 'closed' || end === 'closed') return { level: 'warn', text: CLOSED }
  if (state === 'orphaned' || end === 'orphaned') return { level: 'bad', text: ORPHANED }
  if (lostAtMs !== undefined) return { level: 'bad', text: lostText(lostAtMs) }
  if (sample === undefined) return { level: 'wait', text: 'Connecting …' }
  const { level, text } = ofSample(sample)
  if (!isPaused) return { level, text }
  return { level: level === 'good' ? 'wait' : level, text: `Paused at ${time(sample.timeMs)}. ${text}` }
}

function ofSample({ stats, threads }: MonitorSample): Banner {
  if (stats.state === 'broken') return { level: 'bad', text: BROKEN }
  const fenced = Object.entries(stats.partitions).filter(([, { isFenced }]) => isFenced)
  if (fenced.length > 0) return { level: 'bad', text: fencedText(fenced.map(([name]) => name)) }
  if (stats.state === 'closing') return { level: 'warn', text: CLOSING }
  const waiting = threads.filter(({ slot, waits }) => waits.some(({ cycle }) => cycle.includes(slot)))
  if (waiting.length > 0) return { level: 'warn', text: cycleText(waiting.map(({ slot }) => slot)) }
  return { level: 'good', text: OPEN }
}

const lostText = (atMs: number): string =>
  `Connection lost at ${time(atMs)}: the program has ended, or its event loop is busy. This page shows the last sample, ` +
  'and keeps trying.'

function fencedText(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_MAX).map((name) => `'${nameText(name)}'`)
  const rest = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : ''
  return (
    `Fenced: a write or an fsync failed, and ${shown.join(', ')}${rest} ${names.length === 1 ? 'is' : 'are'} not written ` +
    'any more. The changes are kept in memory. Find the cause in the events below, repair it, and call retry() with the ' +
    'name of the partition.'
  )
}

const cycleText = (slots: readonly number[]): string =>
  `Open, but threads wait for each other: slots ${slots.join(', ')}. Each holds what another one waits for, until a wait ` +
  'reaches its deadline; the table of threads says what. Acquire blocks in one order, or with update().'
