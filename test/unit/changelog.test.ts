// scripts/changelog.mjs: notes become a version of the change log, once and only when all of them are well formed.

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { tempFolder, type TempFolder } from '../support/temp.js'

const HEAD = '# Changelog\n\n## [Unreleased]\n'

function folderOf(changelog: string, notes: Record<string, string>): TempFolder {
  const folder = tempFolder()
  folder.write('CHANGELOG.md', changelog)
  folder.write('changes/README.md', 'not a note')
  for (const [name, text] of Object.entries(notes)) folder.write(`changes/${name}.md`, text)
  return folder
}

function runIn(path: string, ...args: string[]) {
  const script = join(projectRoot, 'scripts/changelog.mjs')
  return spawnSync(process.execPath, [script, ...args], { cwd: path, encoding: 'utf8' })
}

const changelogIn = ({ path }: TempFolder): string => readFileSync(join(path, 'CHANGELOG.md'), 'utf8')
const notesIn = ({ path }: TempFolder): string[] => readdirSync(join(path, 'changes')).sort()

test('notes become a version, by kind and name, and are deleted', () => {
  using folder = folderOf(`${HEAD}\n## [0.1.0] - 2026-01-02\n\n### Added\n\n- All.\n`, {
    b: 'fixed\nThe second\nline is joined.\n',
    a: 'fixed\n\nThe first.',
    c: 'added\nA call.\n',
  })
  assert.is(runIn(folder.path, '0.2.0', '2026-03-04').status, 0)
  assert.is(
    changelogIn(folder),
    `${HEAD}\n## [0.2.0] - 2026-03-04\n\n### Added\n\n- A call.\n\n### Fixed\n\n- The first.\n- The second line is joined.\n` +
      '\n## [0.1.0] - 2026-01-02\n\n### Added\n\n- All.\n',
  )
  assert.equal(notesIn(folder), ['README.md'])
})

test('entries that are under Unreleased already come first, sections of one name become one', () => {
  const entries = '\n### Fixed\n\n- One.\n\n### Added\n\n- Two,\n  in two lines.\n\n### Fixed\n\n- Three.\n'
  using folder = folderOf(HEAD + entries, { a: 'fixed\nFour.' })
  assert.is(runIn(folder.path, '0.1.0', '2026-03-04').status, 0)
  assert.is(
    changelogIn(folder),
    `${HEAD}\n## [0.1.0] - 2026-03-04\n\n### Added\n\n- Two,\n  in two lines.\n\n### Fixed\n\n- One.\n- Three.\n- Four.\n`,
  )
})

test('long notes are wrapped', () => {
  using folder = folderOf(HEAD, { a: `changed\n${'word '.repeat(60)}end.` })
  assert.is(runIn(folder.path, '0.1.0').status, 0)
  const lines = changelogIn(folder).split('\n')
  assert.ok(lines.every((line) => line.length <= 128))
  assert.ok(lines.some((line) => line.startsWith('  word ')))
})

for (const [what, notes, args, message] of [
  ['a kind that is none', { a: 'better\nText.' }, ['0.1.0'], /a\.md: the first line/],
  ['a note without a sentence', { a: 'fixed\n' }, ['0.1.0'], /a\.md: after the first line/],
  ['no notes', {}, ['0.1.0'], /nothing to release/],
  ['a version that is none', { a: 'fixed\nText.' }, ['next'], /usage/],
  ['a date that is none', { a: 'fixed\nText.' }, ['0.1.0', 'today'], /usage/],
] as [string, Record<string, string>, string[], RegExp][]) {
  test(`${what}: nothing is written or deleted`, () => {
    using folder = folderOf(HEAD, { ...notes, z: 'added\nGood.' })
    if (what === 'no notes') runIn(folder.path, '0.0.1')
    const before = [changelogIn(folder), notesIn(folder)]
    const { status, stderr } = runIn(folder.path, ...args)
    assert.is(status, 1)
    assert.match(stderr, message)
    assert.equal([changelogIn(folder), notesIn(folder)], before)
  })
}

test('a version is released once', () => {
  using folder = folderOf(HEAD, { a: 'fixed\nText.' })
  runIn(folder.path, '0.1.0')
  folder.write('changes/b.md', 'fixed\nMore.')
  assert.match(runIn(folder.path, '0.1.0').stderr, /has version 0\.1\.0 already/)
})

test("this project's notes are well formed", () => {
  const { status, stderr } = runIn(projectRoot, '--check')
  assert.is(status, 0, stderr)
})

test.run()
