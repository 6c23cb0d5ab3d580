// The promises of the victim policies to the search for frames, for calls in any order.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { keyHighOf } from '#dist/shared/key.js'
import { ALL_CLEAN, nameFrame, policyArena, policyIn } from '#dist/bench/replay/policy-replay.js'
import { Fit } from '#dist/core/policy/policy.js'
import type { PolicyName } from '#dist/shared/options.js'
import { runSteps } from '#dist/shared/steps.js'
import { Ghost, Frame, Header } from '#dist/shared/words.js'
import { findVictim } from '../support/adaptive-cache.js'

const BLOCKS = 24

for (const name of ['lru2', 'adaptive'] as const satisfies PolicyName[]) {
  test(`${name}: after calls in any order it is sound and has the frames that were inserted`, () => {
    const call = fc.tuple(
      fc.constantFrom('miss', 'miss', 'miss', 'ahead', 'hit', 'hit', 'dirty', 'held', 'clean', 'free', 'expect', 'drain'), // prettier-ignore
      fc.nat(999),
    )
    fc.assert(
      fc.property(fc.array(call, { maxLength: 400 }), (calls) => {
        const arena = policyArena(name, BLOCKS)
        const policy = policyIn(arena, name)
        // The clocks wrap during the test.
        arena.words[Header.policyClock] = -100
        arena.words[Header.tick] = 65_500
        for (let frame = 0; frame < BLOCKS; frame++) arena.words[arena.frameAt(frame) + Frame.used2] = -100
        const free = Array.from({ length: BLOCKS }, (_, frame) => frame)
        const inside = new Set<number>()
        const dirty = new Set<number>()
        const held = new Set<number>()
        /** Dirty frames that a search has met. */
        const out = new Set<number>()
        const fit = (frame: number): Fit => {
          assert.ok(inside.has(frame), 'a frame that is looked at was in the policy')
          return dirty.has(frame) ? Fit.DIRTY : held.has(frame) ? Fit.HELD : Fit.CLEAN
        }
        const takeVictim = (key: number): number => {
          const isThereOne = [...inside].some((frame) => !dirty.has(frame) && !held.has(frame))
          const frame = findVictim(policy, { look: fit, take: fit }, keyHighOf(0, key), key)
          assert.is(frame >= 0, isThereOne)
          for (const other of inside) {
            if (other === frame || policy.has(other)) continue
            assert.ok(dirty.has(other), 'only dirty frames leave')
            inside.delete(other)
            out.add(other)
          }
          if (frame < 0) return -1
          assert.not.ok(dirty.has(frame) || held.has(frame) || policy.has(frame))
          assert.ok(inside.delete(frame), 'a victim was in the policy')
          return frame
        }
        const any = (frames: Set<number>, number: number): number | undefined =>
          [...frames][number % frames.size]
        for (const [what, number] of calls) {
          switch (what) {
            case 'ahead':
            case 'miss': {
              const isAhead = what === 'ahead'
              const key = number % 60
              const isNew = free.length > 0
              const frame = free.pop() ?? takeVictim(key)
              if (frame < 0) break
              if (!isNew) policy.evicted(frame)
              arena.words[Header.freeCount] = free.length
              policy.insert(frame, keyHighOf(0, key), key, isAhead)
              nameFrame(arena, frame, 0, key)
              inside.add(frame)
              break
            }
            case 'hit': {
              const frame = any(new Set([...inside, ...out]), number)
              if (frame !== undefined) policy.note(frame)
              if (policy.notesDue) policy.drain()
              break
            }
            case 'dirty': {
              const frame = any(inside, number)
              if (frame !== undefined) dirty.add(frame)
              break
            }
            case 'held': {
              const frame = any(inside, number)
              if (frame !== undefined && !held.delete(frame)) held.add(frame)
              break
            }
            case 'clean': {
              const frame = any(dirty, number)
              if (frame === undefined) break
              dirty.delete(frame)
              if (!out.delete(frame)) break
              policy.readmit(frame)
              inside.add(frame)
              break
            }
            case 'free': {
              const frame = any(inside, number)
              if (frame === undefined) break
              policy.remove(frame)
              for (const frames of [inside, dirty, held]) frames.delete(frame)
              free.push(frame)
              break
            }
            case 'expect':
              policy.expect(keyHighOf(0, number % 60), number % 60)
              break
            case 'drain':
              policy.drain()
          }
          assert.is(policy.size(), inside.size)
          for (let frame = 0; frame < BLOCKS; frame++) {
            if (!free.includes(frame)) assert.is(policy.has(frame), inside.has(frame), `frame ${frame}`)
            assert.ok(policy.rank(frame) >= 0)
          }
          assert.equal([policy.check(), runSteps(policy.look())], [[], true])
        }
      }),
      { numRuns: 200 },
    )
  })

  test(`${name}: one frame that may go is found, wherever it is and however lately it was used`, () => {
    for (const blocks of [1, 2, 7, 31, 32, 33, 63, 64, 65, 96, 128, 200]) {
      for (const others of [Fit.HELD, Fit.DIRTY]) {
        const arena = policyArena(name, blocks)
        const policy = policyIn(arena, name)
        for (let i = 0; i < 2 * blocks; i++) {
          const frame = i < blocks ? i : policy.victim(ALL_CLEAN, keyHighOf(0, 0), i)
          if (i >= blocks) policy.evicted(frame)
          arena.words[Header.freeCount] = Math.max(0, blocks - 1 - i)
          policy.insert(frame, keyHighOf(0, 0), i)
          nameFrame(arena, frame, 0, i)
        }
        for (let only = 0; only < blocks; only += Math.ceil(blocks / 23)) {
          const left: number[] = []
          const fit = (frame: number): Fit => {
            if (frame === only) return Fit.CLEAN
            if (others === Fit.DIRTY) left.push(frame)
            return others
          }
          policy.note(only)
          policy.drain()
          assert.is(
            findVictim(policy, { look: fit, take: fit }, keyHighOf(0, 0), 1),
            only,
            `${only} of ${blocks}`,
          )
          policy.readmit(only)
          for (const frame of new Set(left)) policy.readmit(frame)
          assert.equal([policy.size(), policy.check()], [blocks, []])
        }
      }
    }
  })

  test(`${name}: a dirty frame returns with its uses, and those that were noted while it was out`, () => {
    for (let frame = 0; frame < BLOCKS; frame++) {
      const arena = policyArena(name, BLOCKS)
      const policy = policyIn(arena, name)
      for (let i = 0; i < BLOCKS; i++) {
        arena.words[Header.freeCount] = BLOCKS - 1 - i
        policy.insert(i, keyHighOf(0, 0), i)
        nameFrame(arena, i, 0, i)
      }
      const ranks = () => Array.from({ length: BLOCKS }, (_, i) => policy.rank(i))
      const before = ranks()
      policy.remove(frame)
      policy.readmit(frame)
      assert.equal(ranks(), before)
      policy.remove(frame)
      for (let uses = 0; uses < 2; uses++) {
        arena.words[Header.tick]! += 8
        policy.note(frame)
        policy.drain()
      }
      policy.readmit(frame)
      const after = ranks()
      assert.ok(
        after.every((rank, i) => i === frame || rank > after[frame]!),
        `${frame}: ${after.join(' ')}`,
      )
      assert.equal(policy.check(), [])
    }
  })

  test(`${name}: after a death in any state it can be emptied and filled again`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 30 }), (damages) => {
        const arena = policyArena(name, BLOCKS)
        const policy = policyIn(arena, name)
        for (let i = 0; i < 3 * BLOCKS; i++) {
          const frame = i < BLOCKS ? i : policy.victim(ALL_CLEAN, keyHighOf(0, 0), (7 * i) % 40)
          if (i >= BLOCKS) policy.evicted(frame)
          policy.insert(frame, keyHighOf(0, 0), (7 * i) % 40)
          nameFrame(arena, frame, 0, (7 * i) % 40)
        }
        const links = [Frame.policySlot, Frame.used, Frame.used2]
        const places = [
          ...Array.from({ length: BLOCKS }, (_, frame) =>
            links.map((link) => arena.frameAt(frame) + link),
          ).flat(),
          // Of `adaptive` only the uses of ghosts: a death leaves no hash in the set of another.
          ...Array.from({ length: arena.planAt - arena.ghostsAt }, (_, i) => arena.ghostsAt + i).filter(
            (at) => (at - arena.ghostsAt) % Ghost.WORDS === Ghost.uses,
          ),
          Header.policySize,
          ...Array.from({ length: Header.measured - Header.tick }, (_, i) => Header.tick + i),
        ]
        for (const damage of damages) arena.words[places[damage % places.length]!] = damage % (BLOCKS + 1)
        policy.reset()
        assert.equal([policy.size(), policy.victim(ALL_CLEAN, 1, 0), policy.check()], [0, -1, []])
        for (let frame = 0; frame < BLOCKS; frame++) {
          assert.not.ok(policy.has(frame))
          policy.readmit(frame)
        }
        assert.equal([policy.size(), policy.check()], [BLOCKS, []])
        assert.is(new Set(Array.from({ length: BLOCKS }, () => policy.victim(ALL_CLEAN, 1, 0))).size, BLOCKS)
      }),
    )
  })
}

test.run()
