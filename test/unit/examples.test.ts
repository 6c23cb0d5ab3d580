// @deadline 900
// The programs in examples/: each runs with the command that its README gives, prints what its README shows, and leaves nothing
// in the temporary folder. A mistake in a copy of it makes it fail.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { sessions } from '../support/readme-snippets.js'
import { tempFolder, type TempFolder } from '../support/temp.js'
import { onlyNormal, sample } from '../support/size.js'

/** A page, with the comment at its head. */
const LINES_MAX = 90

interface Example {
  /** Arguments that make it shorter than the README's command. */
  readonly args?: readonly string[]
  /** Numbers in its output differ from run to run. */
  readonly isRandom?: boolean
  /** A file, a text in it, and a mistake that takes the text's place. */
  readonly mistake: readonly [file: string, from: string, to: string]
}

const EXAMPLES: Readonly<Record<string, Example>> = {
  counter: {
    // Another thread can change the counter between the two calls.
    mistake: [
      'counter.mjs',
      'increment(counters, Math.floor(Math.random() * COUNTERS))',
      `{
        const bytes = Buffer.alloc(4)
        counters.readSync(bytes, 0)
        bytes.writeUInt32BE(bytes.readUInt32BE() + 1)
        counters.writeSync(bytes, 0)
      }`,
    ],
  },
  piscina: { mistake: ['task.mjs', 'block.write(text, 4)', 'block.write(text, 5)'] },
  'append-log': {
    args: ['3'],
    isRandom: true,
    // Acknowledges records that are in memory alone.
    mistake: ['crash-test.mjs', 'await log.commit()', ''],
  },
  'segment-store': {
    args: ['3'],
    isRandom: true,
    mistake: ['program.mjs', 'await writer.commit()', ''],
  },
  kv: {
    args: ['2'],
    isRandom: true,
    mistake: ['batches.mjs', '  store.flush()', ''],
  },
  sqlite: {
    args: ['2'],
    isRandom: true,
    mistake: ['database.mjs', 'client.flushSync({ group: GROUP })', ''],
  },
  'image-server': { mistake: ['image-server.mjs', "(Buffer.from('hello'), 1_000_000)", "(Buffer.from('hello'), 1_000_001)"] }, // prettier-ignore
}

const folderOf = (name: string): string => join(projectRoot, 'examples', name)

/** Runs a program with a temporary folder of its own. */
function run(program: string, args: readonly string[], cwd: string) {
  using temporary = tempFolder()
  const { error, status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: temporary.path },
    timeout: 240_000,
    killSignal: 'SIGKILL',
  })
  if (error) throw error
  return { status, stdout, stderr, left: readdirSync(temporary.path) }
}

/** What output has to match: the text, or with any numbers in the place of its own. */
function patternOf(text: string, isRandom: boolean): RegExp {
  const literal = text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${isRandom ? literal.replaceAll(/\d+/g, '\\d+') : literal}$`)
}

/** A copy of an example where a user would have it: beside the packages that it uses. */
function copyOf(name: string): TempFolder {
  const folder = tempFolder()
  mkdirSync(join(folder.path, 'node_modules'))
  symlinkSync(projectRoot, join(folder.path, 'node_modules/dcache'))
  for (const other of ['piscina', '@sqlite.org'])
    symlinkSync(join(projectRoot, 'node_modules', other), join(folder.path, 'node_modules', other))
  cpSync(folderOf(name), folder.path, { recursive: true })
  return folder
}

test('every example is run here', () => {
  assert.equal(readdirSync(join(projectRoot, 'examples')).sort(), Object.keys(EXAMPLES).sort())
})

for (const [name, { args = [], isRandom = false, mistake }] of sample(Object.entries(EXAMPLES), 2)) {
  const readme = readFileSync(join(folderOf(name), 'README.md'), 'utf8')
  const [session, ...others] = sessions(readme)
  const program = session?.file ?? ''

  test(`${name}: its files are a page each at most`, () => {
    for (const file of readdirSync(folderOf(name))) {
      const lines = readFileSync(join(folderOf(name), file), 'utf8')
        .trimEnd()
        .split('\n').length
      assert.ok(lines <= LINES_MAX, `${file} has ${lines} lines`)
    }
  })

  test(`${name}: the command of its README prints what is shown there`, () => {
    assert.ok(session)
    assert.equal(others, [])
    const { status, stdout, stderr, left } = run(program, args, projectRoot)
    assert.is(status, 0, stderr)
    assert.match(stdout, patternOf(session.output, isRandom))
    assert.equal(left, [])
  })

  onlyNormal(test, `${name}: a copy with a mistake fails`, () => {
    using folder = copyOf(name)
    const [file, from, to] = mistake
    const text = readFileSync(join(folder.path, file), 'utf8')
    assert.is(text.split(from).length, 2, `${file} has the text once`)
    folder.write(
      file,
      text.replace(from, () => to),
    )
    const { status, stderr, left } = run(program.slice(program.lastIndexOf('/') + 1), args, folder.path)
    assert.is(status, 1, stderr)
    assert.equal(left, [])
  })
}

test.run()
