/**
 * Where the next record of a group's journal goes, in shared memory: any thread that runs a round may write it. The group has two
 * places, and one word that says which of them is the newest durable record:
 *
 *   records[newest]       the newest durable record; the next one goes behind it
 *   records[1 - newest]   the record that is being written
 *
 * So one store makes a record the newest, and a thread that dies before or after it leaves a place that is right.
 */
import { store, type Words } from '#atomics'
import type { Arena } from '../../shared/arena.js'
import { JOURNAL_PAGE } from '../../shared/journal-size.js'
import { Group, Record } from '../../shared/words.js'
import type { HalfIndex } from './file-header.js'
import type { RecordPlace } from './record.js'
import { otherHalf, placeAfter, placeBehind } from './recover.js'

interface Memory {
  readonly words: Words
  readonly arena: Arena
}

/** Sets where the first record goes. Called by the owner, before any other thread has the buffer, or while no record begins. */
export function setPlace(arena: Arena, group: number, place: RecordPlace): void {
  const { words } = arena
  const at = arena.groupAt(group)
  const other = 1 - words[at + Group.newest]!
  const cut = recordedTo({ words, arena }, group)
  putRecord({ words, arena }, group, other, { ...place, number: place.number - 1 }, 0, cut)
  store(words, at + Group.newest, other)
}

/**
 * The half of the newest durable record. Its records are erased last. If none has been written since `setPlace`, the newest one
 * is in the half that the next one does not go to.
 */
export function newestHalf({ words, arena }: Memory, group: number): HalfIndex {
  const at = recordAt({ words, arena }, group)
  const half = words[at + Record.half]! as HalfIndex
  return words[at + Record.pages] === 0 ? otherHalf(half) : half
}

/**
 * After the records were erased, or erasing them has failed on the way: the next one begins the half that does not have the
 * newest, as after recovery. Behind a record that was erased, it would follow nothing, and recovery would not find it.
 * Called by the owner, while no record begins.
 */
export function placeAnew(memory: Memory, group: number): void {
  const newest = { ...nextPlace(memory, group), half: newestHalf(memory, group) }
  setPlace(memory.arena, group, placeAfter([{ ...newest, number: newest.number - 1 }]))
}

/** Where the next record goes. @requires round mutex */
export function nextPlace({ words, arena }: Memory, group: number): RecordPlace {
  const at = recordAt({ words, arena }, group)
  const newest = placeIn({ words, arena }, at)
  return placeBehind(newest, words[at + Record.pages]! * JOURNAL_PAGE)
}

/** The record that is being written. Stays as it is while its round is under way. */
export const placeUnderWay = ({ words, arena }: Memory, group: number): RecordPlace =>
  placeIn(
    { words, arena },
    recordAt({ words, arena }, group, 1 - words[arena.groupAt(group) + Group.newest]!),
  )

/** Everything stamped up to this epoch is in a durable record. */
export const recordedTo = ({ words, arena }: Memory, group: number): number =>
  words[recordAt({ words, arena }, group) + Record.cut]!

/** Notes where the record of a cut goes, and how long it is. @requires round mutex */
export function beginRecord(
  { words, arena }: Memory,
  group: number,
  place: RecordPlace,
  bytes: number,
  cut: number,
): void {
  putRecord({ words, arena }, group, 1 - words[arena.groupAt(group) + Group.newest]!, place, bytes, cut)
}

/** The record that was being written is durable. @requires round mutex */
export function concludeRecord({ words, arena }: Memory, group: number): void {
  const newestAt = arena.groupAt(group) + Group.newest
  store(words, newestAt, 1 - words[newestAt]!)
}

/**
 * Nothing had to be recorded up to this epoch. So the cut of the newest record never falls so far behind that epochs wrap.
 * @requires round mutex
 */
export function noteCut({ words, arena }: Memory, group: number, cut: number): void {
  words[recordAt({ words, arena }, group) + Record.cut] = cut
}

function recordAt(
  { words, arena }: Memory,
  group: number,
  which = words[arena.groupAt(group) + Group.newest]!,
): number {
  return arena.groupAt(group) + Group.records + which * Record.WORDS
}

function placeIn({ words }: Memory, at: number): RecordPlace {
  const number = (low: Record) => (words[at + low]! >>> 0) + words[at + low + 1]! * 2 ** 32
  return {
    half: words[at + Record.half]! as HalfIndex,
    at: words[at + Record.at]! * JOURNAL_PAGE,
    number: number(Record.numberLow),
    turn: number(Record.turnLow),
  }
}

function putRecord(
  memory: Memory,
  group: number,
  which: number,
  place: RecordPlace,
  bytes: number,
  cut: number,
): void {
  const { words } = memory
  const at = recordAt(memory, group, which)
  const put = (low: Record, value: number) => {
    words[at + low] = value | 0
    words[at + low + 1] = Math.floor(value / 2 ** 32)
  }
  words[at + Record.half] = place.half
  words[at + Record.at] = place.at / JOURNAL_PAGE
  words[at + Record.cut] = cut
  words[at + Record.pages] = Math.ceil(bytes / JOURNAL_PAGE)
  put(Record.numberLow, place.number)
  put(Record.turnLow, place.turn)
}
