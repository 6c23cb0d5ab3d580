// ARCHITECTURE.md against the code: tables that are complete, and names that exist.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as layout from '#dist/shared/layout.js'
import { RANK } from '#dist/shared/mutex.js'
import { Frame, Ghost, Group, Header, Hint, Partition, Slot, Spare, Wait } from '#dist/shared/words.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot, readSources } from '../support/project.js'
import { evaluate, quoted, tableAfter } from '../support/readme-snippets.js'
import { namesOf } from '../support/words.js'

const architecture = readFileSync(join(projectRoot, 'ARCHITECTURE.md'), 'utf8')
const sources = readSources()

test('links lead to files', () => {
  for (const [, path] of architecture.matchAll(/\]\((?!#|https:)([^)]+)\)/g))
    assert.ok(existsSync(join(projectRoot, path!)), path)
})

/** Two engines that differ in every measure. */
const geometries: readonly layout.Geometry[] = [
  { blocks: 90, spares: 7, frameSize: 512, partitions: 1, groups: 1, slots: 4, stripes: 8, buckets: 128, traceEntries: 16, classes: 3, ghosts: 90 },
  { blocks: 5001, spares: 333, frameSize: 65536, partitions: 5, groups: 3, slots: 71, stripes: 64, buckets: 8192, traceEntries: 1024, classes: 7, ghosts: 0 },
] // prettier-ignore

test('the regions are those of the memory map, with its sizes and alignments', () => {
  for (const geometry of geometries) {
    const { dataStart, totalBytes, ...offsets } = layout.layoutOf(geometry)
    const described: Record<string, number> = {}
    let end = 0
    for (const [name, align, bytes] of tableAfter(architecture, 'Memory')) {
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

test('the words of every record are described', () => {
  for (const [name, record] of Object.entries({
    Header,
    Partition,
    Group,
    Frame,
    Spare,
    Ghost,
    Slot,
    Wait,
    Hint,
  })) {
    const described = tableAfter(architecture, `Words of \`${name}\``).flatMap(([words]) => quoted(words!))
    assert.equal(described.sort(), namesOf(record).sort(), name)
  }
})

test('the locks have the ranks of the code', () => {
  const described = tableAfter(architecture, 'Locks').map(([name, rank]) => [quoted(name!)[0], Number(rank)])
  assert.equal(Object.fromEntries(described), RANK)
})

test('the invariants are those that check can name', () => {
  const named = [...sources]
    .filter(([path]) => path.startsWith('core/'))
    .flatMap(([, text]) => [...text.matchAll(/['"`]([A-Z]\d+) /g)].map(([, name]) => name!))
  const described = tableAfter(architecture, 'Invariants').map(([name]) => name!)
  assert.ok(described.length > 10)
  assert.equal(described.sort(), [...new Set(named)].sort())
})

test('the files and functions that ARCHITECTURE names are there', () => {
  const code = [...sources.values()].join('\n')
  for (const name of quoted(architecture.replaceAll(/^```[\s\S]*?^```$/gm, ''))) {
    if (/^(src\/)?(shared|core|workers|workload|nbd|cli)\/[\w/-]+\.ts$/.test(name))
      assert.ok(sources.has(name.replace('src/', '')), name)
    else if (/^#?[a-z]+[A-Z]\w*$/.test(name))
      assert.ok(new RegExp(`\\b${name.replace('#', '')}\\b`).test(code), name)
  }
})

test.run()
