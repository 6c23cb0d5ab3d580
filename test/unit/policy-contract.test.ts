// The promises of both victim policies to the search for frames, for calls in any order.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { keyHighOf } from '#dist/shared/key.js'
import { nameFrame, policyArena, policyIn, type PolicyName } from '#dist/bench/replay/policy-replay.js'
import { Frame, Header } from '#dist/shared/words.js'

const BLOCKS = 24

for (const name of ['lru2', '2q'] as const satisfies PolicyName[]) {
  test(`${name}: after calls in any order it is sound and has the frames that were inserted`, () => {
    const call = fc.tuple(
      fc.constantFrom('miss', 'miss', 'miss', 'hit', 'hit', 'dirty', 'held', 'clean', 'free', 'drain'),
      fc.nat(999),
    )
    fc.assert(
      fc.property(fc.array(call, { maxLength: 400 }), (calls) => {
        const arena = policyArena(name, BLOCKS)
        const policy = policyIn(arena, name)
        // The clock wraps during the test.
        arena.words[Header.policyClock] = -100
        for (let frame = 0; frame < BLOCKS; frame++) arena.words[arena.frameAt(frame) + Frame.used2] = -100
        const free = Array.from({ length: BLOCKS }, (_, frame) => frame)
        const inside = new Set<number>()
        const dirty = new Set<number>()
        const takeVictim = (): number => {
          const frame = policy.victim()
          assert.is(frame >= 0, inside.size > 0)
          if (frame < 0) return -1
          assert.ok(inside.delete(frame), 'a victim was in the policy')
          assert.not.ok(policy.has(frame))
          return frame
        }
        const any = (frames: Set<number>, number: number): number | undefined =>
          [...frames][number % frames.size]
        for (const [what, number] of calls) {
          switch (what) {
            case 'miss': {
              const isNew = free.length > 0
              const frame = free.pop() ?? takeVictim()
              if (frame < 0) break
              if (!isNew) policy.evicted(frame)
              policy.insert(frame, keyHighOf(0, number % 60), number % 60)
              nameFrame(arena, frame, 0, number % 60)
              inside.add(frame)
              break
            }
            case 'hit': {
              const frame = any(new Set([...inside, ...dirty]), number)
              if (frame !== undefined) policy.note(frame)
              if (policy.notesDue) policy.drain()
              break
            }
            case 'dirty': {
              const frame = takeVictim()
              if (frame >= 0) dirty.add(frame)
              break
            }
            case 'held': {
              const frame = takeVictim()
              if (frame < 0) break
              policy.renew(frame)
              inside.add(frame)
              break
            }
            case 'clean': {
              const frame = any(dirty, number)
              if (frame === undefined) break
              dirty.delete(frame)
              policy.readmit(frame)
              inside.add(frame)
              break
            }
            case 'free': {
              const frame = any(inside, number)
              if (frame === undefined) break
              policy.remove(frame)
              inside.delete(frame)
              free.push(frame)
              break
            }
            case 'drain':
              policy.drain()
          }
          assert.is(policy.size(), inside.size)
          for (let frame = 0; frame < BLOCKS; frame++) {
            if (!free.includes(frame)) assert.is(policy.has(frame), inside.has(frame), `frame ${frame}`)
          }
          assert.equal(policy.check(), [])
        }
      }),
      { numRuns: 200 },
    )
  })

  test(`${name}: after a death in any state it can be emptied and filled again`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 30 }), (damages) => {
        const arena = policyArena(name, BLOCKS)
        const policy = policyIn(arena, name)
        for (let i = 0; i < 3 * BLOCKS; i++) {
          const frame = i < BLOCKS ? i : policy.victim()
          if (i >= BLOCKS) policy.evicted(frame)
          policy.insert(frame, keyHighOf(0, 0), (7 * i) % 40)
          nameFrame(arena, frame, 0, (7 * i) % 40)
        }
        const links = [Frame.policySlot, Frame.used, Frame.used2]
        const places = [
          ...Array.from({ length: BLOCKS }, (_, frame) =>
            links.map((link) => arena.frameAt(frame) + link),
          ).flat(),
          ...Array.from({ length: arena.planAt - arena.ghostsAt }, (_, i) => arena.ghostsAt + i),
          Header.policySize,
          Header.fifoSize,
          Header.fifoOldest,
          Header.mainOldest,
          Header.ghostOldest,
          Header.ghostsUsed,
        ]
        for (const damage of damages) arena.words[places[damage % places.length]!] = damage % (BLOCKS + 1)
        policy.reset()
        assert.equal([policy.size(), policy.victim(), policy.check()], [0, -1, []])
        for (let frame = 0; frame < BLOCKS; frame++) {
          assert.not.ok(policy.has(frame))
          policy.readmit(frame)
        }
        assert.equal([policy.size(), policy.check()], [BLOCKS, []])
        assert.is(new Set(Array.from({ length: BLOCKS }, () => policy.victim())).size, BLOCKS)
      }),
    )
  })
}

test.run()
