// ARCHITECTURE.md, docs/decisions.md and the README.md of each folder of src/ against the code: tables that are complete,
// names and links that lead somewhere.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import * as layout from '#dist/shared/layout.js'
import { RANK } from '#dist/shared/mutex.js'
import * as words from '#dist/shared/words.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot, readSources } from '../support/project.js'
import { evaluate, headings, quoted, tableAfter } from '../support/readme-snippets.js'
import { layers, rooms } from '../support/structure.js'
import { namesOf } from '../support/words.js'

const sources = readSources()
const code = [...sources.values()].join('\n')
const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8')
const withoutCode = (markdown: string) => markdown.replaceAll(/^```[\s\S]*?^```$/gm, '')

/** Each folder of src/ with source files, '' for src/ itself, and their names. */
const folders = new Map<string, string[]>()
for (const path of sources.keys()) {
  const folder = path.includes('/') ? posix.dirname(path) : ''
  folders.set(folder, [...(folders.get(folder) ?? []), posix.basename(path)])
}

/** The pages by path. The page of src/ itself is ARCHITECTURE.md. */
const pages = new Map(
  [
    'ARCHITECTURE.md',
    'docs/decisions.md',
    ...readdirSync(join(projectRoot, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.md'))
      .map((path) => `src/${path.replaceAll('\\', '/')}`),
  ].map((path) => [path, read(path)]),
)
const pageOf = (folder: string) => (folder === '' ? 'ARCHITECTURE.md' : `src/${folder}/README.md`)
const shared = pages.get('src/shared/README.md')!
const architecture = pages.get('ARCHITECTURE.md')!

/** The rows of the tables that stand under this heading, in any page. */
const tablesUnder = (heading: string): string[][][] =>
  [...pages.values()]
    .filter((text) => [2, 3, 4].some((level) => headings(text, level).includes(heading.replaceAll('`', ''))))
    .map((text) => tableAfter(text, heading))

test('each folder has a page that names each of its files', () => {
  assert.ok(folders.size > 12)
  for (const [folder, names] of folders) {
    const page = pages.get(pageOf(folder))
    assert.ok(page !== undefined, `${pageOf(folder)} is missing`)
    const isNamed = (name: string) =>
      quoted(withoutCode(page)).some((text) => text === name || text === `src/${name}`)
    assert.equal(
      names.filter((name) => !isNamed(name)),
      [],
      `${pageOf(folder)} does not name these files`,
    )
  }
})

/** The source file that a page means by a name: from its own folder, from src/, or from the project. */
function sourceNamed(page: string, name: string): string | undefined {
  const from = posix.relative('src', posix.dirname(page))
  const paths = [posix.join(from, name), name, name.replace(/^src\//, '')]
  return paths.find((path) => sources.has(path))
}

test('the files that pages name exist', () => {
  for (const [page, text] of pages)
    for (const name of quoted(withoutCode(text))) {
      if (/^[\w./-]+\.d?\.?ts$/.test(name) && !/\.test\.ts$|^test\//.test(name))
        assert.ok(sourceNamed(page, name) !== undefined, `${page}: ${name}`)
      else if (/^(test|docs|bench|src)\/[\w./-]+$/.test(name))
        assert.ok(existsSync(join(projectRoot, name)), `${page}: ${name}`)
    }
})

test('the functions, fields and words that pages name exist', () => {
  const records: Readonly<Record<string, Readonly<Record<string, number | string>> | undefined>> = {
    ...words,
  }
  for (const [page, text] of pages)
    for (const name of quoted(withoutCode(text))) {
      const [record, word] = name.split('.')
      if (/^[A-Z][a-z]+\.[a-z]\w*$/.test(name) && records[record!] !== undefined)
        assert.ok(namesOf(records[record!]!).includes(word!), `${page}: ${name}`)
      else if (/^#?[a-z]\w*$/.test(name))
        assert.match(code, new RegExp(`${name.startsWith('#') ? '' : '\\b'}${name}\\b`), `${page}: ${name}`)
      else if (/^[A-Z]+[a-z]+(?:[A-Z]\w*)?$/.test(name))
        assert.match(code, new RegExp(`\\b${name}\\b`), `${page}: ${name}`)
    }
})

test('a function that a page places in a file is declared there', () => {
  let count = 0
  for (const [page, text] of pages)
    for (const [, name, file] of withoutCode(text).matchAll(
      /`(#?[A-Za-z]\w*)`\s+(?:in\s+|\()`([\w./-]+\.ts)`/g,
    )) {
      const path = sourceNamed(page, file!)
      assert.ok(path !== undefined, `${page}: ${file}`)
      const declaration = new RegExp(
        `(?:function\\*?|const|class) ${name}\\b|^ {2}(?:async )?[*#]?${name}[(<]`,
        'm',
      )
      assert.match(sources.get(path)!, declaration, `${page}: ${name} in ${file}`)
      count++
    }
  assert.ok(count > 10)
})

test('links lead to files and headings', () => {
  const anchorsOf = (path: string) =>
    [1, 2, 3, 4]
      .flatMap((level) => headings(read(path), level))
      .map((heading) => heading.toLowerCase().replaceAll(/[^\w\- ]/g, '').replaceAll(' ', '-')) // prettier-ignore
  for (const [page, text] of pages)
    for (const [, path, anchor] of withoutCode(text).matchAll(/\]\((?!https:)([^)#]*)#?([^)]*)\)/g)) {
      const target = path === '' ? page : posix.join(posix.dirname(page), path!)
      assert.ok(existsSync(join(projectRoot, target)), `${page}: ${target}`)
      if (anchor !== '') assert.ok(anchorsOf(target).includes(anchor!), `${page}: ${target}#${anchor}`)
    }
})

test('the layers and rooms are those that the structure allows', () => {
  const described = (heading: string) =>
    Object.fromEntries(
      tableAfter(architecture, heading).map(([name, allowed]) => [
        quoted(name!)[0]!,
        quoted(allowed!).sort(),
      ]),
    ) as Record<string, string[]>
  const sorted = (allowed: Readonly<Record<string, readonly string[]>>) =>
    Object.fromEntries(Object.entries(allowed).map(([name, others]) => [name, [...others].sort()]))
  assert.equal(described('Layers'), sorted(layers))
  assert.equal(described('Rooms of core'), sorted(rooms))
})

/** Two engines that differ in every measure. */
const geometries: readonly layout.Geometry[] = [
  { blocks: 90, spares: 7, loans: 11, frameSize: 512, partitions: 1, groups: 1, slots: 4, stripes: 8, buckets: 128, traceEntries: 16, classes: 3, ghostWords: 540, writers: 1 },
  { blocks: 5001, spares: 333, loans: 624, frameSize: 65536, partitions: 5, groups: 3, slots: 71, stripes: 64, buckets: 8192, traceEntries: 1024, classes: 7, ghostWords: 0, writers: 3 },
] // prettier-ignore

test('the regions are those of the memory map, with its sizes and alignments', () => {
  for (const geometry of geometries) {
    const { dataStart, totalBytes, ...offsets } = layout.layoutOf(geometry)
    const described: Record<string, number> = {}
    let end = 0
    for (const [name, align, bytes] of tableAfter(shared, 'Memory')) {
      const start = Math.ceil(end / Number(align)) * Number(align)
      described[quoted(name!)[0]!] = start
      end = start + evaluate(quoted(bytes!)[0]!, { ...geometry })
    }
    assert.equal(Object.keys(described), Object.keys(offsets))
    assert.equal(described, offsets)
    assert.is(end, totalBytes)
    assert.is(described['data'], dataStart)
  }
})

test('the words of every record are described, in one page', () => {
  const { Header, Partition, Group, Frame, Spare, Ghost, Slot, Wait, Hint } = words
  const records = { Header, Partition, Group, Frame, Spare, Ghost, Slot, Wait, Hint }
  for (const [name, record] of Object.entries(records)) {
    const tables = tablesUnder(`Words of \`${name}\``)
    assert.is(tables.length, 1, name)
    const described = tables[0]!.flatMap(([cell]) => quoted(cell!))
    assert.equal(described.sort(), namesOf(record).sort(), name)
  }
})

test('the locks have the ranks of the code', () => {
  const described = tableAfter(shared, 'Locks').map(([name, rank]) => [quoted(name!)[0], Number(rank)])
  assert.equal(Object.fromEntries(described), RANK)
})

test('the invariants are those that check can name, each in one page', () => {
  const named = [...sources]
    .filter(([path]) => path.startsWith('core/'))
    .flatMap(([, text]) => [...text.matchAll(/['"`]([A-Z]\d+) /g)].map(([, name]) => name!))
  const described = tablesUnder('Invariants').flatMap((rows) => rows.map(([name]) => name!))
  assert.ok(described.length > 10)
  assert.equal(described.sort(), [...new Set(named)].sort())
})

test('the decisions are numbered, and each that is cited exists', () => {
  const numbers = headings(pages.get('docs/decisions.md')!, 3).map(
    (heading) => /^D(\d+)\. \S/.exec(heading)?.[1],
  )
  assert.ok(numbers.length > 40)
  assert.equal(
    numbers,
    numbers.map((_, i) => String(i + 1)),
  )
  const texts = new Map(pages)
  for (const folder of ['src', 'test', 'bench'])
    for (const [path, text] of readSources(folder)) texts.set(`${folder}/${path}`, text)
  for (const [path, text] of texts)
    for (const [, list] of text.matchAll(/\bdecisions? (D\d+(?:(?:,| and)\s+D\d+)*)/g))
      for (const [, number] of list!.matchAll(/D(\d+)/g))
        assert.ok(numbers.includes(number), `${path}: decision D${number}`)
})

test.run()
