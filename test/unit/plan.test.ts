// Space in the plan region: pieces never overlap, freed space is used again, and a full region is reported.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PlanSpace } from '#dist/core/write-back/plan.js'

test('pieces are taken from the start, and gaps are reused', () => {
  const space = new PlanSpace(100)
  assert.equal([space.take(40), space.take(30), space.take(30)], [0, 40, 70])
  assert.is(space.take(1), -1)
  space.give(40, 30)
  assert.is(space.take(31), -1, 'not in one piece')
  assert.equal([space.take(10), space.take(20)], [40, 50])
  space.give(0, 40)
  space.give(40, 10)
  assert.is(space.take(50), 0, 'adjacent gaps are merged')
})

test('an empty piece takes no space, and the whole region can be taken', () => {
  const space = new PlanSpace(10)
  assert.is(space.take(0), 0)
  assert.is(space.take(10), 0)
  assert.is(space.take(1), -1)
  space.give(0, 10)
  space.give(0, 0)
  assert.is(space.take(11), -1)
  assert.is(space.take(10), 0)
})

test('what a former flush worker has given to writers stays taken until their jobs are over', () => {
  const over = new Set<number>()
  const inherited = [
    { start: 30, count: 10, isOver: () => over.has(30) },
    { start: 5, count: 10, isOver: () => over.has(5) },
  ]
  const space = new PlanSpace(50, inherited)
  assert.equal([space.take(5), space.take(15), space.take(10)], [0, 15, 40])
  assert.is(space.take(1), -1)
  over.add(5)
  assert.equal([space.take(4), space.take(6), space.take(1)], [5, 9, -1])
  over.add(30)
  over.delete(5) // its writer has another job
  assert.equal([space.take(10), space.take(1)], [30, -1])
})

test('random takes and releases agree with a model of the region', () => {
  const command = fc.record({ take: fc.boolean(), number: fc.nat(30) })
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
      const space = new PlanSpace(64)
      const places: (object | undefined)[] = Array.from({ length: 64 })
      const taken: { start: number; count: number }[] = []
      for (const { take, number } of commands) {
        if (take) {
          const start = space.take(number)
          // The first gap that is long enough; for an empty piece, the first gap of any length.
          const fits = (at: number): boolean =>
            at + number <= 64 && places.slice(at, at + number).every((place) => place === undefined)
          if (start < 0) {
            assert.not.ok(
              places.some((_, at) => fits(at)),
              'it was refused although there is space',
            )
            continue
          }
          assert.ok(fits(start), `${number} at ${start} are not free`)
          const piece = { start, count: number }
          taken.push(piece)
          places.fill(piece, start, start + number)
        } else if (taken.length > 0) {
          const [{ start, count }] = taken.splice(number % taken.length, 1) as [
            { start: number; count: number },
          ]
          space.give(start, count)
          places.fill(undefined, start, start + count)
        }
      }
      for (const { start, count } of taken) space.give(start, count)
      assert.is(space.take(64), 0)
    }),
    { numRuns: 300 },
  )
})

test.run()
