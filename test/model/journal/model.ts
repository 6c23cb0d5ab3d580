/**
 * A group with a journal: rounds append records to one of two halves of a file and are synced there; when the half is full, the
 * other one is next. A half is free when each of its blocks is durable in place, or has a record in the other half. Blocks are
 * written in place from memory: a change of a block that the older half owes keeps the image, one of the half in use need not,
 * because the block's next record goes there or to the half after it. A crash at every step; recovery, which may be cut short as
 * well; a life after it; an orderly end, after which another program may change the files.
 *
 * The records of a half follow each other: their numbers are neighbours, and they have the turn of the first, which is new each
 * time that the half is begun. What an earlier turn has left behind the last record does not count.
 *
 * Releases are a list of commits, each of one or more blocks, that happen at any time, one after the other. After recovery the
 * blocks must be those of a cut, not older than what the last flush answered for. A write is atomic for its block, and for a record:
 * the record may be torn after a crash as a whole. A failed sync decides nothing.
 *
 * `Rules` are mistakes, except `neighboursOnly`, which belongs to the design: recovery refuses halves whose numbers overlap.
 */
import type { State } from '../write-side/state.js'

const CUTS = 7
/** How many records a half has room for. */
const SLOTS = 2
/** What a slot may hold after a crash: the durable record, and up to two later ones. */
const RECORDS = 3
/** Numbers of records that are none: erased but not synced; torn. */
const ERASED = 254
const TORN = 255

const enum Phase {
  LIFE,
  CRASHED,
  READ,
  REPLAY,
  SYNCED,
  CLOSING,
  CLOSED,
}

/** What the flush worker does next with the record. */
const enum Round {
  NONE,
  COPY,
  WRITE,
  SYNC,
  DONE,
}

const enum G {
  phase,
  round,
  half,
  slot,
  /** The turn of the half in use, and the last turn of all. */
  turn,
  turns,
  number,
  acked,
  cuts,
  script,
  copied,
  at,
  crashes,
  journalFails,
  placeFails,
  closes,
  outside,
  flushDeaths,
  order,
  progress,
  /** Bits of blocks whose image in the buffer is newer than the cut. */
  early,
  misfits,
  SIZE,
}

/**
 * A half: which blocks have been written in place and not synced, then the journaled version of each block that it owes. A block is
 * owed by the half that has its newest record. Its slots follow, and in each what the disk may have.
 */
const enum Half {
  placed,
  SIZE,
}

/** A record on the disk: its number and turn, then an image for each block. */
const enum Rec {
  number,
  turn,
  SIZE,
}

export interface Scenario {
  readonly blocks: number
  readonly commits: readonly (readonly number[])[]
  readonly budget: Budget
}

export interface Budget {
  readonly crashes?: number
  readonly journalFails?: number
  readonly placeFails?: number
  readonly closes?: number
  readonly outside?: number
  readonly flushDeaths?: number
  /** How often a record does not fit into the rest of a half although a slot is free: records have different sizes. */
  readonly misfits?: number
}

export type Rule =
  | 'neighboursOnly'
  | 'halfReusedTooEarly'
  | 'inPlaceBeforeSync'
  | 'noSync'
  | 'noPlaceSync'
  | 'failedPlaceIgnored'
  | 'placesChanged'
  | 'keepsNoImages'
  | 'forgetsChanged'
  | 'checksumOfHeaderOnly'
  | 'failedCountsAsJournaled'
  | 'retryInTheOtherHalf'
  | 'failureUsesTheNumber'
  | 'replayNewestOnly'
  | 'replayLastOnly'
  | 'staleFollows'
  | 'failedSkipsASlot'
  | 'keepsPlacedBlocks'
  | 'replaysAPart'
  | 'replayInHalfOrder'
  | 'numbersRestart'
  | 'beginsWithHalfZero'
  | 'recoveryWithoutSync'
  | 'cleanOnceJournaled'
  | 'erasesTogether'
  | 'erasesNewestFirst'
  | 'newestImages'
  | 'earlyStamps'

export type Rules = Readonly<Partial<Record<Rule, true>>>

export class JournalModel {
  readonly #scenario: Scenario
  readonly #rules: Rules
  readonly #reached: (actor: string, what: string) => void
  readonly now: State
  readonly next: State
  problem: string | undefined
  readonly #blocks: number
  /** Where the parts of a state begin. */
  readonly #memory = G.SIZE
  readonly #journaled: number
  readonly #disk: number
  readonly #halves: number
  readonly #cuts: number
  readonly #earlyImages: number
  /** The images of the record that is being made. */
  readonly #buffer: number

  constructor(scenario: Scenario, rules: Rules, reached: (actor: string, what: string) => void) {
    this.#scenario = scenario
    this.#rules = rules
    this.#reached = reached
    const { blocks, budget } = scenario
    this.#blocks = blocks
    this.#journaled = this.#memory + blocks
    this.#disk = this.#journaled + blocks
    this.#halves = this.#disk + 3 * blocks
    this.#cuts = this.#halves + 2 * this.#halfSize
    this.#earlyImages = this.#cuts + CUTS * blocks
    this.#buffer = this.#earlyImages + blocks
    const size = Math.ceil((this.#buffer + blocks) / 4) * 4
    this.now = new Uint8Array(size)
    this.next = new Uint8Array(size)
    const s = this.now
    s[G.crashes] = budget.crashes ?? 1
    s[G.journalFails] = budget.journalFails ?? 0
    s[G.placeFails] = budget.placeFails ?? 0
    s[G.closes] = budget.closes ?? 0
    s[G.outside] = budget.outside ?? 0
    s[G.flushDeaths] = budget.flushDeaths ?? 0
    s[G.misfits] = budget.misfits ?? 0
    s[G.turn] = s[G.turns] = 1
    s[G.cuts] = 1
    for (let block = 0; block < blocks; block++) s[this.#d(block)] = 1
  }

  steps(): void {
    switch (this.now[G.phase]) {
      case Phase.LIFE:
        this.#client()
        this.#flushWorker()
        this.#writers()
        this.#evictions()
        this.#close()
        {
          this.#crash('stops')
          return
        }
      case Phase.CRASHED: {
        this.#decide()
        return
      }
      case Phase.READ: {
        this.#plan()
        return
      }
      case Phase.REPLAY:
        this.#replay()
        {
          this.#crash('stops in recovery')
          return
        }
      case Phase.SYNCED:
        this.#judge()
        {
          this.#crash('stops after recovery')
          return
        }
      case Phase.CLOSING:
        this.#erase()
        {
          this.#crash('stops while the cache closes')
          return
        }
      case Phase.CLOSED:
        this.#anotherProgram()
        {
          this.#crash('is started again')
          return
        }
    }
  }

  get #recordSize(): number {
    return Rec.SIZE + this.#blocks
  }
  get #halfSize(): number {
    return Half.SIZE + this.#blocks + SLOTS * RECORDS * this.#recordSize
  }
  /** Of a block in place: the versions that the disk may have, as bits; the one that is read; whether it is to be synced. */
  #d(block: number): number {
    return this.#disk + block * 3
  }
  #h(half: number): number {
    return this.#halves + half * this.#halfSize
  }
  #image(half: number, block: number): number {
    return this.#h(half) + Half.SIZE + block
  }
  /** The `r`-th record that the disk may have in a slot of a half. The first is the durable one. */
  #r(half: number, slot: number, r: number): number {
    return this.#h(half) + Half.SIZE + this.#blocks + (slot * RECORDS + r) * this.#recordSize
  }
  #cut(number: number, block: number): number {
    return this.#cuts + number * this.#blocks + block
  }

  #begin(): State {
    this.next.set(this.now)
    return this.next
  }
  #end(actor: string, what: string): void {
    this.#reached(actor, what)
  }
  #fail(problem: string): void {
    this.problem ??= problem
  }

  #write(s: State, block: number, version: number): void {
    s[this.#d(block)]! |= 1 << version
    s[this.#d(block) + 1] = version
    s[this.#d(block) + 2] = 1
  }
  #syncPlaces(s: State): void {
    for (let block = 0; block < this.#blocks; block++) {
      const at = this.#d(block)
      if (s[at + 2] !== 0) s[at] = 1 << s[at + 1]!
      s[at + 2] = 0
    }
  }

  #client(): void {
    const n = this.now
    const commit = this.#scenario.commits[n[G.script]!]
    if (commit === undefined || n[this.#memory + commit[0]!]! >= 6) return
    let s = this.#begin()
    s[G.script]!++
    for (const block of commit) s[this.#memory + block]!++
    this.#end('client', `commits blocks ${commit.join()}`)
    // A release without the mutex, whose block was latched, and its epoch loaded, before the cut.
    const [block] = commit
    if (this.#rules.earlyStamps !== true || commit.length > 1 || n[G.round] !== Round.COPY) return
    if (n[G.copied]! > block!) return
    s = this.#begin()
    s[G.script]!++
    s[this.#memory + block!]!++
    s[G.early]! |= 1 << block!
    s[this.#earlyImages + block!] = s[this.#memory + block!]!
    this.#end('client', `releases block ${block} with the stamp of the cut`)
  }

  #isDirty(block: number): boolean {
    return this.now[this.#memory + block] !== this.now[this.#journaled + block]
  }

  #flushWorker(): void {
    const n = this.now
    const half = n[G.half]!
    switch (n[G.round]) {
      case Round.NONE: {
        const isDirty = Array.from({ length: this.#blocks }, (_, block) => this.#isDirty(block)).includes(
          true,
        )
        if (!isDirty || n[G.cuts]! >= CUTS) return
        if (n[G.slot]! < SLOTS) this.#makeCut()
        if (n[G.slot] === SLOTS || (n[G.slot]! > 0 && n[G.misfits]! > 0)) this.#turnOver()
        return
      }
      case Round.COPY: {
        this.#copy()
        return
      }
      case Round.WRITE:
        for (const fails of [false, true]) {
          if (fails && n[G.journalFails] === 0) continue
          const s = this.#begin()
          this.#putRecord(s, half)
          if (n[G.slot] === 0) this.#tearNext(s, half)
          s[G.round] = Round.SYNC
          if (fails) this.#failed(s)
          else if (this.#rules.inPlaceBeforeSync === true) this.#owe(s, half)
          this.#end('flush worker', fails ? 'fails to write all of the record' : 'writes the record')
        }
        {
          this.#dies()
          return
        }
      case Round.SYNC:
        for (const fails of [false, true]) {
          if (fails && n[G.journalFails] === 0) continue
          const s = this.#begin()
          s[G.round] = Round.DONE
          if (fails) this.#failed(s)
          else if (this.#rules.noSync !== true) this.#syncSlot(s, half, n[G.slot]!)
          this.#end('flush worker', fails ? 'fails to sync the journal' : 'syncs the journal')
        }
        {
          this.#dies()
          return
        }
      case Round.DONE: {
        const s = this.#begin()
        this.#journal(s)
        this.#owe(s, half)
        s[G.acked] = s[G.cuts]! - 1
        s[G.slot]!++
        s[G.round] = Round.NONE
        this.#end(
          'flush worker',
          `notes that half ${half} is owed in place; flushes of cut ${s[G.acked]} return`,
        )
        this.#dies()
        return
      }
    }
  }

  #makeCut(): void {
    const s = this.#begin()
    const cut = s[G.cuts]!++
    s[G.number]!++
    for (let block = 0; block < this.#blocks; block++) s[this.#cut(cut, block)] = s[this.#memory + block]!
    s[G.copied] = 0
    s[G.round] = Round.COPY
    this.#end('flush worker', `cuts, record ${s[G.number]} for slot ${s[G.slot]} of half ${s[G.half]}`)
  }

  /** Begins the other half, if all that it holds is durable in place. */
  #turnOver(): void {
    const n = this.now
    const other = 1 - n[G.half]!
    const at = this.#h(other)
    if (this.#isOwed(other) && this.#rules.halfReusedTooEarly !== true) {
      if (this.#canPlace()) return
      this.#begin()
      this.#fail('no half has room for the next record, and nothing can be written in place')
      this.#end('flush worker', 'waits for ever')
      return
    }
    const s = this.#begin()
    if (n[G.slot]! < SLOTS) s[G.misfits]!--
    s.fill(0, at, this.#r(other, 0, 0))
    s[G.half] = other
    s[G.slot] = 0
    s[G.turn] = ++s[G.turns]!
    this.#end('flush worker', `begins half ${other}`)
  }

  /** One image after the other into the buffer; a saved image keeps that of the cut. */
  #copy(): void {
    const s = this.#begin()
    const block = s[G.copied]!
    const isEarly = ((s[G.early]! >> block) & 1) === 1
    const ofCut = s[isEarly ? this.#earlyImages + block : this.#cut(s[G.cuts]! - 1, block)]!
    const version = this.#rules.newestImages === true ? s[this.#memory + block]! : ofCut
    s[this.#earlyImages + block] = 0
    s[this.#buffer + block] = version === s[this.#journaled + block] ? 0 : version
    s[G.copied]!++
    if (s[G.copied] === this.#blocks) {
      s[G.copied] = s[G.early] = 0
      s[G.round] = Round.WRITE
    }
    this.#end('flush worker', `copies version ${version} of block ${block} to the buffer`)
  }

  #journal(s: State): void {
    for (let block = 0; block < this.#blocks; block++) {
      const version = s[this.#buffer + block]!
      if (version !== 0) s[this.#journaled + block] = version
    }
  }

  /** What the record has is to be written in place, and no more what earlier records had of these blocks. */
  #owe(s: State, half: number): void {
    for (let block = 0; block < this.#blocks; block++) {
      const version = s[this.#buffer + block]!
      if (version === 0) continue
      for (const each of [0, 1]) {
        s[this.#image(each, block)] = each === half ? version : 0
        if (each !== half || this.#rules.keepsPlacedBlocks !== true)
          s[this.#h(each) + Half.placed]! &= ~(1 << block)
      }
    }
  }

  /** Whether a block of the half is not durable in place. */
  #isOwed(half: number): boolean {
    const n = this.now
    for (let block = 0; block < this.#blocks; block++) {
      const version = n[this.#image(half, block)]!
      if (version === 0) continue
      if (this.#rules.forgetsChanged !== true || version === n[this.#memory + block]) return true
    }
    return false
  }

  #failed(s: State): void {
    s[G.journalFails]!--
    s[G.round] = Round.NONE
    if (this.#rules.failureUsesTheNumber !== true) s[G.number]!--
    if (this.#rules.failedCountsAsJournaled === true) this.#journal(s)
    if (this.#rules.failedSkipsASlot === true) s[G.slot]!++
    if (this.#rules.retryInTheOtherHalf === true) {
      s[G.half]! ^= 1
      s[G.slot] = 0
      s[G.turn] = ++s[G.turns]!
    }
  }

  #dies(): void {
    if (this.now[G.flushDeaths] === 0) return
    const s = this.#begin()
    s[G.flushDeaths]!--
    s[G.round] = Round.NONE
    s[G.copied] = s[G.early] = 0
    if (this.#rules.failureUsesTheNumber !== true) s[G.number]!--
    this.#end('flush worker', 'dies; its successor forgets the cut')
  }

  /**
   * Whether a block that a half owes can be written in place: it is as it was journaled, or its image is kept. That is so for a
   * block that the older half owes when the half in use has a record: if it had been changed before that one's cut, it would
   * be in it.
   */
  #isAtHand(half: number, block: number): boolean {
    const n = this.now
    const isKept = half !== n[G.half] && n[G.slot]! > 0 && this.#rules.keepsNoImages !== true
    return isKept || n[this.#image(half, block)] === n[this.#memory + block]
  }

  /** Whether a write in place or the sync after it would free something. */
  #canPlace(): boolean {
    for (const half of [0, 1])
      for (let block = 0; block < this.#blocks; block++) {
        if (this.now[this.#image(half, block)] === 0) continue
        const isPlaced = ((this.now[this.#h(half) + Half.placed]! >> block) & 1) === 1
        if (isPlaced || this.#isAtHand(half, block)) return true
      }
    return false
  }

  /** In place: blocks that are as they were journaled, or whose image is kept. Another one waits for its next record. */
  #writers(): void {
    const n = this.now
    let isAnyPlaced = false
    for (const half of [0, 1]) {
      const at = this.#h(half)
      for (let block = 0; block < this.#blocks; block++) {
        const version = n[this.#image(half, block)]!
        if (version === 0) continue
        if (((n[at + Half.placed]! >> block) & 1) === 1) {
          isAnyPlaced = true
          continue
        }
        if (!this.#isAtHand(half, block) && this.#rules.placesChanged !== true) continue
        const written = this.#rules.placesChanged === true ? n[this.#memory + block]! : version
        const s = this.#begin()
        this.#write(s, block, written)
        s[at + Half.placed]! |= 1 << block
        this.#end('writer', `writes version ${written} of block ${block} of half ${half} in place`)
      }
    }
    // By mistake before the sync of the journal: then only that decides.
    const isEarly = n[G.round] === Round.SYNC && this.#rules.inPlaceBeforeSync === true
    if (isAnyPlaced && !isEarly) this.#syncInPlace()
  }

  #syncInPlace(): void {
    const forget = (s: State) => {
      for (const half of [0, 1]) {
        for (let block = 0; block < this.#blocks; block++)
          if (((s[this.#h(half) + Half.placed]! >> block) & 1) === 1) s[this.#image(half, block)] = 0
        s[this.#h(half) + Half.placed] = 0
      }
    }
    let s = this.#begin()
    if (this.#rules.noPlaceSync !== true) this.#syncPlaces(s)
    forget(s)
    this.#end('writer', 'syncs the partitions')
    if (this.now[G.placeFails] === 0) return
    s = this.#begin()
    s[G.placeFails]!--
    for (let block = 0; block < this.#blocks; block++) s[this.#d(block) + 2] = 0
    if (this.#rules.failedPlaceIgnored === true) forget(s)
    for (const half of [0, 1]) s[this.#h(half) + Half.placed] = 0
    this.#end('writer', 'fails to sync the partitions')
  }

  /** A clean block may be evicted and read again: it is clean only after its write in place. */
  #evictions(): void {
    const n = this.now
    if (n[G.round] !== Round.NONE) return
    for (let block = 0; block < this.#blocks; block++) {
      const isOwed = [0, 1].some((half) => {
        const isPlaced = ((n[this.#h(half) + Half.placed]! >> block) & 1) === 1
        return n[this.#image(half, block)] !== 0 && !isPlaced
      })
      if (this.#isDirty(block) || (isOwed && this.#rules.cleanOnceJournaled !== true)) continue
      const [read, memory] = [n[this.#d(block) + 1], n[this.#memory + block]]
      if (read === memory) continue
      this.#begin()
      this.#fail(`block ${block} is evicted as clean and read again: version ${read} instead of ${memory}`)
      this.#end('client', `evicts block ${block} and reads it`)
    }
  }

  /** A record is written to a slot: after a crash the slot may hold what it held, the record, or something torn. */
  #putRecord(s: State, half: number): void {
    const slot = s[G.slot]!
    let r = 1
    while (r < RECORDS - 1 && s[this.#r(half, slot, r)] !== 0) r++
    const at = this.#r(half, slot, r)
    s[at + Rec.number] = s[G.number]!
    s[at + Rec.turn] = s[G.turn]!
    for (let block = 0; block < this.#blocks; block++) s[at + Rec.SIZE + block] = s[this.#buffer + block]!
  }

  /** The first record of a half may also cover what an earlier turn has in the next slot. */
  #tearNext(s: State, half: number): void {
    let r = 1
    while (r < RECORDS - 1 && s[this.#r(half, 1, r)] !== 0) r++
    s[this.#r(half, 1, r)] = TORN
  }

  #forgetUndecided(s: State, half: number, slot: number): void {
    s.fill(0, this.#r(half, slot, 1), this.#r(half, slot, RECORDS))
  }

  #syncSlot(s: State, half: number, slot: number): void {
    for (let r = 1; r < RECORDS; r++)
      if (s[this.#r(half, slot, r)] !== 0)
        s.copyWithin(this.#r(half, slot, 0), this.#r(half, slot, r), this.#r(half, slot, r + 1))
    this.#forgetUndecided(s, half, slot)
  }

  #crash(what: string): void {
    if (this.now[G.crashes] === 0) return
    const s = this.#begin()
    s[G.crashes]!--
    s[G.phase] = Phase.CRASHED
    s[G.at] = s[G.round] = s[G.copied] = s[G.early] = s[G.half] = s[G.slot] = s[G.order] = s[G.progress] = 0
    for (const half of [0, 1]) s.fill(0, this.#h(half), this.#r(half, 0, 0))
    s.fill(0, this.#memory, this.#disk)
    s.fill(0, this.#earlyImages)
    this.#end('machine', what)
  }

  /** What is on the disk after the crash: a step for each slot and each block. */
  #decide(): void {
    const at = this.now[G.at]!
    if (at < 2 * SLOTS) {
      this.#decideSlot(Math.floor(at / SLOTS), at % SLOTS)
      return
    }
    const block = at - 2 * SLOTS
    if (block === this.#blocks) {
      const s = this.#begin()
      s[G.phase] = Phase.READ
      s[G.at] = 0
      this.#end('owner', 'opens the cache')
      return
    }
    for (let version = 0; version < 8; version++) {
      if (((this.now[this.#d(block)]! >> version) & 1) === 0) continue
      const s = this.#begin()
      s[this.#d(block)] = 1 << version
      s[this.#d(block) + 1] = version
      s[this.#d(block) + 2] = 0
      s[G.at]!++
      this.#end('disk', `holds version ${version} of block ${block}`)
    }
  }

  #decideSlot(half: number, slot: number): void {
    const n = this.now
    const at = this.#r(half, slot, 0)
    for (let r = 0; r < RECORDS; r++) {
      if (r > 0 && n[this.#r(half, slot, r)] === 0) continue
      const s = this.#begin()
      s.copyWithin(at, this.#r(half, slot, r), this.#r(half, slot, r + 1))
      if (s[at] === ERASED) s.fill(0, at, this.#r(half, slot, 1))
      this.#forgetUndecided(s, half, slot)
      s[G.at]!++
      this.#end('disk', `holds record ${s[at]} in slot ${slot} of half ${half}`)
    }
    const later = n[this.#r(half, slot, 1)]!
    if (later === 0) return
    const s = this.#begin()
    s[at] = TORN
    this.#forgetUndecided(s, half, slot)
    s[G.at]!++
    this.#end('disk', `holds something torn in slot ${slot} of half ${half}`)
    if (this.#rules.checksumOfHeaderOnly !== true || later === ERASED) return
    const mixed = this.#begin()
    mixed.copyWithin(at, this.#r(half, slot, 1), this.#r(half, slot, 1) + Rec.SIZE)
    for (let block = 0; block < this.#blocks; block++)
      if (mixed[this.#r(half, slot, 1) + Rec.SIZE + block] === 0) mixed[at + Rec.SIZE + block] = 0
    this.#forgetUndecided(mixed, half, slot)
    mixed[G.at]!++
    this.#end('disk', `holds the header of record ${later} and an older body in slot ${slot} of half ${half}`)
  }

  /** How many records a half has, one after the other from its beginning. */
  #countIn(half: number): number {
    const n = this.now
    const [first, turn] = [this.#numberAt(half, 0), n[this.#r(half, 0, 0) + Rec.turn]]
    if (first === 0) return 0
    let count = 1
    while (
      count < SLOTS &&
      this.#numberAt(half, count) === first + count &&
      (n[this.#r(half, count, 0) + Rec.turn] === turn || this.#rules.staleFollows === true)
    )
      count++
    return count
  }
  /** The number of a whole record; 0 if there is none. */
  #numberAt(half: number, slot: number): number {
    const number = this.now[this.#r(half, slot, 0)]!
    return number === TORN ? 0 : number
  }
  /** The number of the last record of a half; 0 if it has none. */
  #lastIn(half: number): number {
    const count = this.#countIn(half)
    return count === 0 ? 0 : this.#numberAt(half, count - 1)
  }
  /** The half that was begun later. */
  get #newest(): number {
    return this.#numberAt(1, 0) > this.#numberAt(0, 0) ? 1 : 0
  }

  /** The halves whose records are replayed, in this order. */
  #plan(): void {
    const newest = this.#newest
    // 0: a record that failed was tried again in the other half, since it had become longer. 2 and more: the older half was being
    // begun again, so all of it is in place.
    const apart = this.#numberAt(newest, 0) - this.#lastIn(1 - newest)
    const isPart = apart > 1 && this.#rules.replaysAPart !== true
    const isOlder = this.#countIn(1 - newest) !== 0 && !isPart && this.#rules.replayNewestOnly !== true
    const inOrder = isOlder ? [1 - newest, newest] : [newest]
    const halves = this.#countIn(newest) === 0 ? [] : inOrder
    if (this.#rules.replayInHalfOrder === true) halves.sort()
    const s = this.#begin()
    const isSame = this.#numberAt(newest, 0) === this.#numberAt(1 - newest, 0)
    if (isOlder && (apart < 0 || isSame) && this.#rules.neighboursOnly === true)
      this.#fail('recovery refuses numbers that overlap')
    // The list as a number: its halves + 1, in base 4.
    s[G.order] = halves.reduce((sum, half, i) => sum + ((half + 1) << (2 * i)), 0)
    s[G.phase] = Phase.REPLAY
    s[G.progress] = 0
    this.#end(
      'owner',
      `replays ${halves.map((half) => `half ${half} up to ${this.#lastIn(half)}`).join(', ') || 'nothing'}`,
    )
  }

  #replay(): void {
    const n = this.now
    const halves = [n[G.order]! & 3, n[G.order]! >> 2].filter((half) => half > 0).map((half) => half - 1)
    const records = halves.flatMap((half) =>
      Array.from({ length: this.#countIn(half) }, (_, slot) => ({ half, slot })).slice(
        this.#rules.replayLastOnly === true ? -1 : 0,
      ),
    )
    for (let at = n[G.progress]!; at < records.length * this.#blocks; at++) {
      const { half, slot } = records[Math.floor(at / this.#blocks)]!
      const block = at % this.#blocks
      const version = n[this.#r(half, slot, 0) + Rec.SIZE + block]!
      if (version === 0) continue
      const s = this.#begin()
      this.#write(s, block, version)
      s[G.progress] = at + 1
      this.#end(
        'owner',
        `writes version ${version} of block ${block} of record ${this.#numberAt(half, slot)} in place`,
      )
      return
    }
    const s = this.#begin()
    if (this.#rules.recoveryWithoutSync !== true) this.#syncPlaces(s)
    s[G.phase] = Phase.SYNCED
    s[G.progress] = 0
    this.#end('owner', 'syncs the partitions')
  }

  /** What is read from now on must be a cut. */
  #judge(): void {
    const s = this.#begin()
    const versions = Array.from({ length: this.#blocks }, (_, block) => s[this.#d(block) + 1]!)
    let isCut = false
    for (let cut = s[G.acked]!; cut < s[G.cuts]!; cut++)
      isCut ||= versions.every((version, block) => version === s[this.#cut(cut, block)])
    isCut ||= this.#isPrefix(versions)
    const acked = versions.map((_, block) => s[this.#cut(s[G.acked]!, block)])
    if (!isCut)
      this.#fail(
        `after recovery the blocks are versions ${versions.join()}: no cut since the last acknowledged, ${acked.join()}`,
      )
    this.#forgetCuts(s)
    versions.forEach((version, block) => {
      s[this.#memory + block] = s[this.#journaled + block] = version
    })
    const newest = this.#newest
    const number = this.#lastIn(newest)
    s[G.number] = this.#rules.numbersRestart === true ? 0 : number
    s[G.half] = this.#rules.beginsWithHalfZero === true || number === 0 ? 0 : 1 - newest
    s[G.slot] = 0
    s[G.turn] = ++s[G.turns]!
    s[G.at] = s[G.order] = s[G.progress] = 0
    s[G.phase] = Phase.LIFE
    this.#end('owner', `continues, next is record ${s[G.number] + 1} in half ${s[G.half]}`)
  }

  /**
   * What the write path of other groups would leave is judged more mildly: by the state after any number of commits, in their
   * order, from the last acknowledged cut on.
   */
  #isPrefix(versions: readonly number[]): boolean {
    if (this.#rules.newestImages !== true && this.#rules.earlyStamps !== true) return false
    const acked = versions.map((_, block) => this.now[this.#cut(this.now[G.acked]!, block)]!)
    const after = versions.map(() => 0)
    for (const commit of [[], ...this.#scenario.commits]) {
      for (const block of commit) after[block]!++
      if (after.every((version, block) => version === versions[block] && version >= acked[block]!))
        return true
    }
    return false
  }

  /** What the disk has is the only cut. */
  #forgetCuts(s: State): void {
    s.fill(0, this.#cuts, this.#earlyImages)
    for (let block = 0; block < this.#blocks; block++) s[this.#cut(0, block)] = s[this.#d(block) + 1]!
    s[G.cuts] = 1
    s[G.acked] = 0
  }

  #close(): void {
    const n = this.now
    if (n[G.closes] === 0 || n[G.round] !== Round.NONE) return
    for (let block = 0; block < this.#blocks; block++) if (this.#isDirty(block)) return
    if ([0, 1].some((half) => this.#isOwed(half))) return
    const s = this.#begin()
    s[G.closes]!--
    s[G.phase] = Phase.CLOSING
    s[G.at] = 0
    this.#end('owner', 'closes')
  }

  /** The older half, a sync, the newer, a sync. */
  #erase(): void {
    const s = this.#begin()
    const at = s[G.at]!++
    if (at === 0) s[G.order] = this.#rules.erasesNewestFirst === true ? this.#newest : 1 - this.#newest
    const isTogether = this.#rules.erasesTogether === true
    const half = at < (isTogether ? 1 : 2) ? s[G.order]! : 1 - s[G.order]!
    if (isTogether ? at < 2 : at % 2 === 0) {
      this.#forgetUndecided(s, half, 0)
      s[this.#r(half, 0, 1)] = ERASED
      this.#end('owner', `erases the first record of half ${half}`)
      return
    }
    for (const synced of isTogether ? [0, 1] : [half])
      s.fill(0, this.#r(synced, 0, 0), this.#r(synced, 0, RECORDS))
    if (at === (isTogether ? 2 : 3)) {
      s[G.phase] = Phase.CLOSED
      s[G.at] = s[G.order] = 0
    }
    this.#end('owner', `syncs the journal`)
  }

  #anotherProgram(): void {
    if (this.now[G.outside] === 0) return
    const s = this.#begin()
    s[G.outside]!--
    const version = s[this.#d(0) + 1]! + 1
    s[this.#d(0)] = 1 << version
    s[this.#d(0) + 1] = version
    this.#forgetCuts(s)
    this.#end('another program', `writes version ${version} of block 0 and syncs`)
  }
}
