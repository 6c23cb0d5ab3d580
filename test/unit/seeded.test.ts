// The seeded mistakes of the explorers still fit the code: each text that one of them replaces occurs exactly once. That takes no
// time, and the explorers, which would say so too, take minutes.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { JOURNAL_VARIANTS } from '../crash/journal-variants.js'
import { JOURNALED_VARIANTS } from '../crash/journaled-variants.js'
import { VARIANTS } from '../crash/variants.js'
import { MISTAKES } from '../sched/mistakes.js'

interface Replacement {
  readonly file: string
  readonly text: string
  readonly by: string
}

/** The edits of one mistake are made one after the other, so a later one may look for what an earlier one inserted. */
function misfits(replacements: readonly Replacement[]): string[] {
  const texts = new Map<string, string>()
  const found: string[] = []
  for (const { file, text, by } of replacements) {
    const before =
      texts.get(file) ??
      readFileSync(fileURLToPath(new URL(`../../../dist/${file}`, import.meta.url)), 'utf8')
    const times = before.split(text).length - 1
    if (times !== 1) found.push(`${times} times in ${file}: ${text}`)
    texts.set(
      file,
      before.replace(text, () => by),
    )
  }
  return found
}

for (const [name, { edits }] of Object.entries(MISTAKES))
  test(`mistake ${name}`, () => {
    assert.equal(misfits(edits.map(({ file, from, to }) => ({ file, text: from, by: to }))), [])
  })

for (const { name, edits } of [...VARIANTS, ...JOURNAL_VARIANTS, ...JOURNALED_VARIANTS])
  test(`crash variant ${name}`, () => {
    assert.equal(misfits(edits.map(({ file, find, replace }) => ({ file, text: find, by: replace }))), [])
  })

test.run()
