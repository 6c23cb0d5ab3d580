// The words of records: no two share an index, the sizes hold them all, and the build replaces their names by numbers.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as counters from '#dist/shared/counter-words.js'
import { CLASSES_MAX } from '#dist/shared/layout.js'
import * as words from '#dist/shared/words.js'
import { namesOf } from '../support/words.js'

const { Header, Partition, Group, Frame, Spare, Ghost, Slot, Hint } = words

test('no two words of a record share an index', () => {
  for (const record of [Header, Partition, Group, Frame, Spare, Ghost, Slot, Hint]) {
    const places = namesOf(record).map((name) => (record as unknown as Record<string, number>)[name]!)
    // The header has gaps, its cache lines; and a group has words for each class.
    const hasGaps = record === Header || record === Group
    const inLines = places.filter((place, i) => place === i || (hasGaps && place > places[i - 1]!))
    assert.equal(inLines, places)
    assert.ok(places.at(-1)! < record.WORDS)
  }
  const classes = [Group.throughWant, Group.throughDone, Group.dirtyHeads, Group.WORDS]
  for (let i = 1; i < classes.length; i++) assert.ok(classes[i]! - classes[i - 1]! >= CLASSES_MAX)
})

test('records that different threads write share no cache line, and a frame’s record is one line', () => {
  for (const record of [Header, Partition, Group, Slot]) assert.is((record.WORDS * 4) % 64, 0)
  assert.is(Frame.WORDS * 4, 64)
  const lineOf = (word: number) => word >> 4
  for (const word of [Header.state, Header.freed, Header.freedWaiters])
    for (const other of [Header.policyMutex, Header.freeHead, Header.policyClock, Header.bell])
      assert.ok(lineOf(word) < lineOf(other))
})

test('no built file looks up the index of a word at run time', () => {
  const dist = fileURLToPath(new URL('.', import.meta.resolve('#dist/index.js')))
  let files = 0
  const looksUp = new RegExp(`\\b(${Object.keys({ ...words, ...counters }).join('|')})\\.[a-zA-Z]`)
  for (const folder of ['shared', 'core', 'workers'])
    for (const name of readdirSync(join(dist, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.js') || /(^|-)words.js$/.test(name)) continue
      files++
      const code = readFileSync(join(dist, folder, name), 'utf8')
        .replaceAll(/\/\*.*?\*\//gs, '')
        .replaceAll(/\/\/.*/g, '')
      assert.not.match(code, looksUp, name)
    }
  assert.ok(files > 100, `${files} files`)
})

test.run()
