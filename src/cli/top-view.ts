/**
 * What the user of `dcache top` has chosen, and what each key changes in it. A pure function of the two.
 */
import { SORT_KEYS } from './top-tables.js'

export interface TopView {
  /** What fills the rest of the screen. */
  readonly panel: 'partitions' | 'threads'
  /** An index of SORT_KEYS. */
  readonly sort: number
  readonly isReversed: boolean
  /** The first line of the panel that is shown. */
  readonly scroll: number
  readonly isPaused: boolean
  readonly isHelp: boolean
  readonly intervalSeconds: number
}

/** As node:readline tells a key. */
export interface Key {
  readonly name?: string | undefined
  readonly sequence?: string | undefined
  readonly ctrl?: boolean | undefined
  readonly shift?: boolean | undefined
}

/** The view after a key, or what else the key asks for; undefined if it has no meaning. */
export type Pressed = TopView | 'quit' | 'suspend' | 'redraw' | undefined

export const INTERVAL_LEAST = 0.1
export const INTERVAL_MOST = 3600
const INTERVALS = [INTERVAL_LEAST, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 600, INTERVAL_MOST]

/** The keys, for the help and the documentation. */
export const KEYS: readonly (readonly [keys: string, meaning: string])[] = [
  ['q, Ctrl-C, Ctrl-D', 'quit'],
  ['t, Tab', 'partitions or threads'],
  ['s, S', 'sort by the next or the previous column'],
  ['r', 'reverse the order'],
  ['arrows, PgUp, PgDn', 'scroll; Home and End, too'],
  ['space', 'pause, and continue'],
  ['+, -', 'a longer or a shorter interval'],
  ['Ctrl-L', 'draw the screen again'],
  ['Ctrl-Z', 'suspend'],
  ['?, h', 'this help'],
]

export const firstView = (intervalSeconds: number, sort = 0): TopView => ({
  panel: 'partitions',
  sort,
  isReversed: false,
  scroll: 0,
  isPaused: false,
  isHelp: false,
  intervalSeconds,
})

/** `page`: how many lines of the panel the screen shows. */
export function pressed(view: TopView, { name, sequence, ctrl, shift }: Key, page: number): Pressed {
  if (ctrl === true) return ({ c: 'quit', d: 'quit', z: 'suspend', l: 'redraw' } as const)[name ?? '']
  // Any key leaves the help.
  if (view.isHelp) return { ...view, isHelp: false }
  const scrolled = (by: number): TopView => ({ ...view, scroll: Math.max(0, view.scroll + by) })
  switch (name ?? sequence) {
    case 'q':
      return 'quit'
    case 't':
    case 'tab':
      return { ...view, panel: view.panel === 'partitions' ? 'threads' : 'partitions', scroll: 0 }
    case 's': {
      const sort = (view.sort + (shift === true ? SORT_KEYS.length - 1 : 1)) % SORT_KEYS.length
      return { ...view, panel: 'partitions', sort, scroll: 0 }
    }
    case 'r':
      return { ...view, isReversed: !view.isReversed }
    case 'up':
    case 'k':
      return scrolled(-1)
    case 'down':
    case 'j':
      return scrolled(1)
    case 'pageup':
      return scrolled(-page)
    case 'pagedown':
      return scrolled(page)
    case 'home':
      return { ...view, scroll: 0 }
    case 'end':
      return scrolled(Infinity)
    case 'space':
      return { ...view, isPaused: !view.isPaused }
    case '+':
    case '=':
      return {
        ...view,
        intervalSeconds: INTERVALS.find((each) => each > view.intervalSeconds) ?? INTERVAL_MOST,
      }
    case '-':
    case '_':
      return {
        ...view,
        intervalSeconds: INTERVALS.findLast((each) => each < view.intervalSeconds) ?? INTERVAL_LEAST,
      }
    case '?':
    case 'h':
      return { ...view, isHelp: true }
    default:
      return undefined
  }
}
