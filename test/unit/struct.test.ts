// Records as schemas: offsets are places in the list, sizes are rounded, and the records in use hold together.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as layout from '#dist/shared/layout.js'
import { struct } from '#dist/shared/struct.js'

test("a field's offset is its place; the size is rounded up", () => {
  const point = struct(1, 'x', 'y', 'z')
  assert.equal(point, { x: 0, y: 1, z: 2, WORDS: 3 })
  assert.is(struct(16, 'one').WORDS, 16)
  assert.is(struct(2, 'one', 'two').WORDS, 2)
  assert.is(struct(2, 'one', 'two', 'three').WORDS, 4)
  assert.ok(Object.isFrozen(point))
})

test('no record in use has two fields in one place', () => {
  const { Header, Partition, Group, Frame, Spare, Slot, Ghost } = layout
  for (const record of [Header, Partition, Group, Frame, Spare, Slot, Ghost]) {
    const { WORDS, ...fields } = record
    const offsets = Object.values(fields)
    assert.equal(offsets, [...offsets.keys()])
    assert.ok(offsets.length <= WORDS)
  }
})

test("a frame's record is one cache line", () => {
  assert.is(layout.Frame.WORDS * 4, 64)
})

test.run()
