/**
 * The wait graph: which threads wait for which. It is followed from a slot to what it waits for, to the slots that hold that,
 * and so on, until a thread does not wait or a cycle closes. Takes no lock and never waits. The words change while they are
 * read, so a result was true at some moment only, and a cycle is reported only if it is found twice. Each slot is followed
 * once, so the search is bounded.
 *
 *   thread A --read, modify--> frame --latch word, journals--> thread B --mutex--> lock --its word--> thread C
 *
 * A slot shows the waits of all its tasks (shared/waits.ts). A thread that awaits in one task may release what it holds in
 * another task. Only if every thread of a cycle sleeps is it certain that it is a deadlock.
 */
import { load } from '#atomics'
import { isLatched, writerOf } from '../../shared/latch.js'
import { GUARDS_MAX } from '../../shared/layout.js'
import type { Mutex } from '../../shared/mutex.js'
import { clockMs, msSince } from '../../shared/clock.js'
import { threadText } from '../../shared/slot-name.js'
import { type WaitKind, waitsOf } from '../../shared/waits.js'
import type { FrameIndex, SlotIndex } from '../../shared/indices.js'
import { type Deadline, type Slow, timedOut } from '../../shared/wait.js'
import type { Context } from '../context.js'
import { mutexWaitEnd, spanStart } from '../spans.js'
import { Frame, Journal, Slot, SlotState } from '../../shared/words.js'

/** A wait of a thread. */
export interface Wait {
  readonly kind: WaitKind
  /** The frame, the group, or the word of the mutex. */
  readonly at: number
  /** Whether the whole thread sleeps, not only one of its tasks. */
  readonly sleeps: boolean
}

/** A waiting thread, as an edge of a path in the graph. */
export interface Link {
  readonly slot: SlotIndex
  readonly wait: Wait
}

/** A wait that a slot has published. */
interface ShownWait extends Wait {
  readonly sinceMs: number
}

/** What the thread of a slot waits for, in all its tasks. */
export function shownWaits({ arena }: Context, slot: SlotIndex): ShownWait[] {
  return waitsOf(arena, slot)
    .filter(({ kind, at }) => !isOfFrame(kind) || (at >= 0 && at < arena.geometry.blocks))
    .map(({ kind, at, sleeps, since }) => ({ kind, at, sleeps, sinceMs: Math.round(msSince(since)) }))
}

/** The waits that block the thread: if it sleeps, the one that it sleeps for; else all. */
function keepingWaits(context: Context, slot: SlotIndex): ShownWait[] {
  const waits = shownWaits(context, slot)
  const asleep = waits.filter(({ sleeps }) => sleeps)
  return asleep.length > 0 ? asleep : waits
}

const isOfFrame = (kind: WaitKind): boolean => kind === 'read' || kind === 'modify'

/** The slots that hold what is waited for; none unless that is a frame or a lock. */
export function holdersOf(context: Context, { kind, at }: Wait): SlotIndex[] {
  if (kind === 'mutex') return [mutexAt(context, at)?.holder() ?? -1].filter((slot) => slot >= 0)
  return isOfFrame(kind) ? [...frameHolders(context, at).keys()] : []
}

/** The slots that hold a frame, with the number of their read guards; 0 for an exclusive holder. */
function frameHolders({ words, arena }: Context, frame: FrameIndex): Map<SlotIndex, number> {
  const word = load(words, arena.frameAt(frame) + Frame.latch)
  if (isLatched(word)) return new Map([[writerOf(word), 0]])
  const held = (frame << 2) | Journal.HELD
  const found = new Map<SlotIndex, number>()
  for (let slot = 0; slot < arena.geometry.slots; slot++) {
    const start = arena.journalAt(slot)
    let count = 0
    for (let at = start; at < start + GUARDS_MAX; at++) if (words[at] === held) count++
    if (count > 0) found.set(slot, count)
  }
  return found
}

/**
 * The cycle that a wait is part of or is blocked by; undefined if there is none. A single thread is not a cycle: what it
 * waits for is held by another of its own tasks.
 */
export function cycleOf(context: Context, slot: SlotIndex, wait: Wait): Link[] | undefined {
  const cycle = follow(context, [{ slot, wait }], new Set())
  const again = cycle && follow(context, [{ slot, wait }], new Set())
  const isSame = again?.length === cycle?.length && again?.every((link, i) => link.slot === cycle![i]!.slot)
  return isSame ? again : undefined
}

function follow(context: Context, path: Link[], seen: Set<SlotIndex>): Link[] | undefined {
  const { slot, wait } = path.at(-1)!
  seen.add(slot)
  for (const holder of holdersOf(context, wait)) {
    const start = path.findIndex((link) => link.slot === holder)
    if (start >= 0 && path.length - start > 1) return path.slice(start)
    if (seen.has(holder)) continue
    for (const next of keepingWaits(context, holder)) {
      const cycle = follow(context, [...path, { slot: holder, wait: next }], seen)
      if (cycle) return cycle
    }
  }
  return undefined
}

/** `thread 3 (slot 5) waits for block 7 of 'a' held by thread 4 (slot 6), which waits for ...`. */
function cycleText(context: Context, cycle: readonly Link[]): string {
  const name = (i: number) => threadText(context.arena, cycle[i % cycle.length]!.slot)
  const links = cycle.map(({ wait }, i) => `waits for ${waitText(context, wait)} held by ${name(i + 1)}`)
  const isCertain = cycle.every(({ wait }) => wait.sleeps)
  const doubt = '; not all of these threads sleep, so another task of theirs may release what it holds'
  return `a cycle: ${name(0)} ${links.join(', which ')}${isCertain ? '' : doubt}`
}

/** For messages: which threads hold a frame, for how long if that is known, and what they wait for. */
function frameText(context: Context, frame: FrameIndex): string {
  const { words, arena } = context
  const holders = [...frameHolders(context, frame)]
  if (holders.length === 0) return 'by threads that have released it since'
  const [[first, guards]] = holders as [[SlotIndex, number]]
  const since = words[arena.frameAt(frame) + Frame.since]!
  const untimed = arena.isAbsent(frame) ? ' to read it from the disk' : ' to write it'
  const held = since === 0 ? untimed : ` for ${(clockMs() - since) | 0} ms`
  if (guards === 0) return `exclusively by ${holderText(context, first, held)}`
  return `to read by ${holders.map(([slot, count]) => holderText(context, slot, ` with ${count} guard(s)`)).join(', ')}`
}

/** A holder, and what it waits for. */
function holderText(context: Context, slot: SlotIndex, held: string): string {
  const thread = threadText(context.arena, slot)
  if (slot === context.slot.index) return `${thread} itself, in another of its tasks,${held}`
  if (load(context.words, context.arena.slotAt(slot) + Slot.state) === SlotState.DEAD)
    return `${thread}, which has ended,${held}`
  const waits = keepingWaits(context, slot)
  const [wait] = waits
  if (wait === undefined) return thread + held
  const more = waits.length - 1
  const others = more > 0 ? `, and in ${more} more task(s)` : ''
  return `${thread}${held}, which waits for ${waitText(context, wait)} for ${wait.sinceMs} ms${others}`
}

const OTHER_WAITS = {
  frame: 'a frame',
  dirty: 'a round, at the dirty limit,',
  spare: 'a spare',
  flush: 'a flush',
} as const

function waitText(context: Context, { kind, at }: Wait): string {
  if (kind === 'mutex') return `the lock '${mutexAt(context, at)?.name ?? at}'`
  return isOfFrame(kind) ? context.describe(at) : OTHER_WAITS[kind as keyof typeof OTHER_WAITS]
}

/** The error for a wait for a block that reached its deadline. */
export function frameExpired(
  context: Context,
  frame: FrameIndex,
  what: string,
  wait: Wait,
  timeoutMs: number,
): ReturnType<typeof timedOut> {
  const cycle = cycleOf(context, context.slot.index, wait)
  const text = `${what} is held ${frameText(context, frame)}`
  return timedOut(cycle ? `${text}; ${cycleText(context, cycle)}` : text, timeoutMs)
}

/**
 * Takes a mutex, and publishes the wait for it. How long the holder has had it is not recorded: critical sections are short,
 * and reading the clock in each would cost as much as the section.
 */
export function* waitForMutex(context: Context, mutex: Mutex, deadline: Deadline): Slow<void> {
  const call = {}
  context.slot.waits(call, 'mutex', mutex.at)
  const startMs = spanStart(context)
  let hasWaited = true
  try {
    hasWaited = yield* mutex.lock(context.slot.index, deadline, (holder) =>
      timedOut(`the lock '${mutex.name}' is held by ${holderText(context, holder, '')}`, deadline.timeoutMs),
    )
  } finally {
    context.slot.waitsNoMore(call)
    if (hasWaited) mutexWaitEnd(context, startMs, mutex)
  }
}

function mutexAt({ policyMutex, stripes, roundMutexes }: Context, at: number): Mutex | undefined {
  return [policyMutex, ...roundMutexes, ...stripes].find((mutex) => mutex.at === at)
}
