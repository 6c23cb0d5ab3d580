// Folds the notes of changes/ into CHANGELOG.md, as a new version, and deletes them:
//
//   npm run changelog -- X.Y.Z [YYYY-MM-DD]    the date of today without one
//   npm run changelog -- --check               only reads the notes and says whether each is well formed
//
// changes/README.md says what a note is. Entries that stand under [Unreleased] already come first. Nothing is written or
// deleted unless all notes are well formed. The working directory is the project's.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = 'changes'
const CHANGELOG = 'CHANGELOG.md'
const HEADINGS = { added: 'Added', changed: 'Changed', removed: 'Removed', fixed: 'Fixed' }
const WIDTH = 128

/** What one note says. @throws with the name of the file */
function readNote(name) {
  const path = join(FOLDER, name)
  const [kind, ...rest] = readFileSync(path, 'utf8').trim().split('\n')
  const text = rest.join(' ').replaceAll(/\s+/g, ' ').trim()
  if (!Object.hasOwn(HEADINGS, kind))
    throw new Error(`${path}: the first line is one of ${Object.keys(HEADINGS).join(', ')}, not '${kind}'`)
  if (!text.endsWith('.'))
    throw new Error(`${path}: after the first line comes a sentence that ends with a full stop`)
  return { path, heading: HEADINGS[kind], text }
}

/** The notes, in the order of their names. */
function readNotes() {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .sort()
    .map(readNote)
}

/** A list item of lines that are not longer than WIDTH. */
function item(text) {
  const lines = ['-']
  for (const word of text.split(' ')) {
    if (lines.at(-1).length + 1 + word.length > WIDTH) lines.push(' ')
    lines[lines.length - 1] += ` ${word}`
  }
  return lines.join('\n')
}

/** Cuts the change log into what precedes the unreleased entries, these, and what follows them. */
function cut(text) {
  const start = /^## \[Unreleased\]\n/m.exec(text)
  if (!start) throw new Error(`${CHANGELOG} has no heading '## [Unreleased]'`)
  const bodyAt = start.index + start[0].length
  const length = text.slice(bodyAt).search(/^## /m)
  const endAt = length < 0 ? text.length : bodyAt + length
  return [text.slice(0, bodyAt), text.slice(bodyAt, endAt), text.slice(endAt)]
}

/** The entries under each heading; sections of one name become one. What precedes the first heading has the name ''. */
function sectionsOf(body) {
  const sections = new Map()
  let heading = ''
  for (const [i, part] of body.split(/^### (.+)\n/m).entries()) {
    const text = part.trim()
    if (i % 2 === 1) heading = text
    else if (text !== '') sections.set(heading, [...(sections.get(heading) ?? []), text])
  }
  return sections
}

function fold(text, notes, version, date) {
  if (text.includes(`## [${version}]`)) throw new Error(`${CHANGELOG} has version ${version} already`)
  const [before, body, after] = cut(text)
  const sections = sectionsOf(body)
  for (const { heading, text } of notes) sections.set(heading, [...(sections.get(heading) ?? []), item(text)])
  if (sections.size === 0) throw new Error(`there is nothing to release: ${FOLDER}/ has no notes`)
  const order = ['', ...Object.values(HEADINGS)]
  const names = [...order.filter((name) => sections.has(name)), ...[...sections.keys()].filter((name) => !order.includes(name))] // prettier-ignore
  const parts = names.map((name) => `${name && `### ${name}\n\n`}${sections.get(name).join('\n')}\n`)
  return `${before}\n## [${version}] - ${date}\n\n${parts.join('\n')}${after && `\n${after}`}`
}

function main([version, date = new Date().toISOString().slice(0, 10), ...rest]) {
  const notes = readNotes()
  if (version === '--check') {
    console.log(`${notes.length} notes are well formed`)
    return
  }
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version ?? '') || !/^\d{4}-\d\d-\d\d$/.test(date) || rest.length > 0)
    throw new Error('usage: npm run changelog -- X.Y.Z [YYYY-MM-DD]')
  writeFileSync(CHANGELOG, fold(readFileSync(CHANGELOG, 'utf8'), notes, version, date))
  for (const { path } of notes) rmSync(path)
  console.log(`${CHANGELOG} has version ${version}, with ${notes.length} notes of ${FOLDER}/`)
}

try {
  main(process.argv.slice(2))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
