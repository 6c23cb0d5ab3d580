// @deadline 600
// A thread dies at any store of any operation of a policy: what the reaper does then, `reset` and `readmit` for each frame that has a
// block, leaves nothing broken, and each frame can be the victim. The stores are counted by a proxy of the words, and the operation is
// repeated from the same memory, to die at the first store, the second, and so on.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Candidates, Fit, type Policy } from '#dist/core/policy/policy.js'
import { ALL_CLEAN, nameFrame, policyArena } from '#dist/bench/replay/policy-replay.js'
import { policyOf } from '#dist/core/policy/policies.js'
import type { Arena } from '#dist/shared/arena.js'
import type { PolicyName } from '#dist/shared/options.js'
import { keyHighOf } from '#dist/shared/key.js'
import { attachSlot, type ThreadSlot } from '#dist/shared/slot.js'
import { runSteps } from '#dist/shared/steps.js'
import { Ghost, Frame, Header } from '#dist/shared/words.js'
import { Random } from '#dist/workload/random.js'
import { findVictim } from '../support/adaptive-cache.js'
import { sized } from '../support/size.js'

const deaths = suite('deaths in a policy')

const FRAMES = 48
const HISTORIES = sized(6, 40)

class Death extends Error {}

/** The arena as a thread sees it that dies instead of its store number `last`; and the addresses that it stores to. */
function mortal(arena: Arena, last: number) {
  const stores: number[] = []
  const words = new Proxy(arena.words, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
    set: (target, key, value) => {
      if (stores.length === last) throw new Death()
      stores.push(Number(key))
      return Reflect.set(target, key, value)
    },
  })
  const own = { words: { value: words }, frames: { value: arena.frames } }
  return { arena: Object.create(arena, own) as Arena, stores }
}

/** A cache without contents, with a random past. */
class Past {
  readonly arena: Arena
  readonly slot: ThreadSlot
  random: Random
  readonly policy: Policy
  readonly fits: Fit[] = new Array<Fit>(FRAMES).fill(Fit.CLEAN)
  /** Frames that a search has met dirty. */
  readonly out = new Set<number>()
  free = FRAMES
  readonly #seed: number
  readonly #saved: { words: Int32Array; fits: Fit[]; out: number[]; free: number }

  constructor(name: PolicyName, seed: number) {
    this.arena = policyArena(name, FRAMES)
    this.slot = attachSlot(this.arena, 0, 1, 0)
    this.policy = policyOf(name, this.arena, this.slot)
    this.#seed = seed
    this.random = new Random(seed, 1)
    this.arena.words[Header.freeCount] = FRAMES
    // Some pools are not full yet, some frames have not been used for so long that the clock has nearly wrapped.
    const steps = this.random.below(6) === 0 ? FRAMES / 2 : 200 + this.random.below(200)
    for (let i = 0; i < steps; i++) {
      this.miss(this.policy, this.random.below(3 * FRAMES))
      for (let uses = this.random.below(4); uses > 0; uses--) this.policy.note(this.random.below(FRAMES))
      this.policy.drain()
      this.#change()
    }
    const tick = this.arena.words[Header.tick]!
    if (this.random.below(4) === 0) this.arena.words[Header.tick] = (tick + 50_000) & 0xffff
    this.#saved = {
      words: this.arena.words.slice(),
      fits: [...this.fits],
      out: [...this.out],
      free: this.free,
    }
    this.restore()
  }

  /** As it was before the operation, for another thread. */
  restore(): void {
    const { words, fits, out, free } = this.#saved
    this.arena.words.set(words)
    fits.forEach((fit, frame) => (this.fits[frame] = fit))
    this.out.clear()
    for (const frame of out) this.out.add(frame)
    this.free = free
    this.random = new Random(this.#seed, 2)
  }

  /** The frames that hold a block. One that a dead thread had taken from the free list does not, and is free again. */
  named(): number[] {
    const { words } = this.arena
    const all = Array.from({ length: FRAMES }, (_, frame) => frame)
    const frames = all.filter((frame) => words[this.arena.frameAt(frame) + Frame.keyHigh] !== 0)
    words[Header.freeCount] = this.free = FRAMES - frames.length
    return frames
  }

  get candidates(): Candidates {
    const fit = (frame: number): Fit => {
      if (this.fits[frame] === Fit.DIRTY) this.out.add(frame)
      return this.fits[frame]!
    }
    return { look: fit, take: fit }
  }

  /** A block gets a frame, unless none may go. */
  miss(policy: Policy, block: number, isAhead = false): void {
    const { arena } = this
    let frame = this.free - 1
    if (frame >= 0) arena.words[Header.freeCount] = --this.free
    else {
      frame = findVictim(policy, this.candidates, keyHighOf(0, block), block)
      if (frame < 0) return
      policy.evicted(frame)
    }
    policy.insert(frame, keyHighOf(0, block), block, isAhead)
    nameFrame(arena, frame, 0, block)
  }

  /** Some frames become dirty, held, or clean again. */
  #change(): void {
    const frame = this.random.below(FRAMES)
    if (this.out.delete(frame)) {
      this.fits[frame] = Fit.CLEAN
      this.policy.readmit(frame)
    } else this.fits[frame] = [Fit.CLEAN, Fit.CLEAN, Fit.DIRTY, Fit.HELD][this.random.below(4)]!
  }
}

/** What the reaper does (repairPolicy in core/recovery/repair.ts), in a thread that may die too. */
function repair(policy: Policy, past: Past): void {
  policy.reset()
  for (const frame of past.named().reverse()) policy.readmit(frame)
}

/** One operation, in the middle of which the thread dies. The same for the same past. */
const OPERATIONS: Readonly<Record<string, (policy: Policy, past: Past) => void>> = {
  miss: (policy, past) => {
    past.miss(policy, past.random.below(3 * FRAMES))
  },
  missAhead: (policy, past) => {
    past.miss(policy, 1000 + past.random.below(FRAMES), true)
  },
  missUnheld: (policy, past) => {
    past.fits.fill(Fit.CLEAN)
    for (let i = 0; i < 4; i++) past.miss(policy, past.random.below(3 * FRAMES))
  },
  missDirty: (policy, past) => {
    past.fits.fill(Fit.DIRTY)
    past.miss(policy, past.random.below(3 * FRAMES))
  },
  readmit: (policy, past) => {
    for (const frame of past.out) policy.readmit(frame)
  },
  remove: (policy, past) => {
    for (let i = 0; i < 3; i++) {
      const frame = past.random.below(FRAMES)
      if (frame >= past.free && policy.has(frame)) policy.remove(frame)
    }
  },
  expect: (policy, past) => {
    policy.expect(keyHighOf(0, 5), past.random.below(3 * FRAMES))
  },
  grown: (policy, past) => {
    past.arena.words[Header.measured] = FRAMES / 2 // as of before the pool grew
    past.miss(policy, past.random.below(3 * FRAMES))
  },
  note: (policy, past) => {
    for (let frame = past.free; frame < FRAMES; frame++) policy.note(frame)
    policy.drain()
  },
  repair,
}

/** Each word of a policy's state has a name; those of frames, places and ghosts have one for all. */
function nameOf({ framesAt, policyAt, ghostsAt, geometry }: Arena, at: number): string {
  if (at < Header.WORDS) return `header ${at}`
  if (at >= framesAt && at < framesAt + geometry.blocks * Frame.WORDS)
    return `frame ${(at - framesAt) % Frame.WORDS}`
  if (at >= ghostsAt && at < ghostsAt + geometry.ghostWords) return `ghost ${(at - ghostsAt) % Ghost.WORDS}`
  return at >= policyAt && at < policyAt + geometry.blocks ? 'place' : 'notes'
}

for (const name of ['adaptive', 'lru2'] as const) {
  const died = new Set<string>()

  for (const [operation, act] of Object.entries(OPERATIONS))
    deaths(`${name}: a death at any store of ${operation} is repaired`, () => {
      let points = 0
      for (let seed = 1; seed <= HISTORIES; seed++) {
        const past = new Past(name, seed)
        assert.equal(past.policy.check(), [])
        for (let last = 0; ; last++) {
          past.restore()
          const { arena, stores } = mortal(past.arena, last)
          const policy = policyOf(name, arena, past.slot)
          try {
            act(policy, past)
            break
          } catch (error) {
            if (!(error instanceof Death)) throw error
          }
          points++
          for (const at of stores) died.add(nameOf(past.arena, at))
          assertRepaired(past, name, `history ${seed}, ${operation}, store ${last}`)
        }
      }
      console.log(`\n# ${name}, ${operation}: ${points} deaths`)
    })

  if (name === 'adaptive')
    deaths('of adaptive, all words were died at', () => {
      const counts = Array.from(
        { length: Header.measured - Header.tickPart + 1 },
        (_, i) => Header.tickPart + i,
      )
      const headers = [Header.tick, Header.halfLife, ...counts].map((word) => `header ${word}`)
      const frames = [Frame.policySlot, Frame.used, Frame.used2].map((word) => `frame ${word}`)
      const ghosts = [Ghost.hash, Ghost.uses].map((word) => `ghost ${word}`)
      for (const each of [...headers, ...frames, ...ghosts, 'place'])
        assert.ok(died.has(each), `no death next to a store to ${each}`)
    })
}

function assertRepaired(past: Past, name: PolicyName, what: string): void {
  const policy = policyOf(name, past.arena, past.slot)
  repair(policy, past)
  const count = past.named().length
  assert.equal([policy.check(), runSteps(policy.look()), policy.size()], [[], true, count], what)
  const victims = new Set<number>()
  for (let i = 0; i < count; i++) victims.add(policy.victim(ALL_CLEAN, keyHighOf(0, 9), i))
  assert.equal([victims.size, victims.has(-1), policy.size(), policy.check()], [count, false, 0, []], what)
  for (const frame of victims) policy.readmit(frame)
  past.fits.fill(Fit.CLEAN)
  for (let block = 0; block < FRAMES; block++) past.miss(policy, block)
  assert.equal(policy.check(), [], what)
}

deaths.run()
