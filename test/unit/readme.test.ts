// README.md, docs/ and ARCHITECTURE.md against the code: programs that run as pasted, and lists that are complete. Their
// links are in links.test.ts.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BenchReport } from '#dist/bench/harness/report.js'
import { QUOTED_SUITES, quoteLines } from '#dist/bench/quote.js'
import { THREADS_MAX } from '#dist/shared/config.js'
import * as layout from '#dist/shared/layout.js'
import { CODES } from 'dcache'
import { transformSync } from 'esbuild'
import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot, readSources } from '../support/project.js'
import { codeBlocks, files, headings, quoted, sessions, tableAfter } from '../support/readme-snippets.js'
import { tempFolder, type TempFolder } from '../support/temp.js'
import { onlyNormal } from '../support/size.js'

const textOf = (path: string): string => readFileSync(join(projectRoot, path), 'utf8')
const readme = textOf('README.md')
const pages = readdirSync(join(projectRoot, 'docs')).filter((name) => name.endsWith('.md'))
/** README and every page of docs. */
const documents = [readme, ...pages.map((name) => textOf(`docs/${name}`))]
const sources = readSources()
const commandLine = join(projectRoot, 'dist/cli/main.js')

/** The complete files of all documents, by name. */
const savedFiles = new Map(documents.flatMap((text) => [...files(text)]))
const allSessions = documents.flatMap(sessions)

/** A folder as a user has it: dcache and piscina installed, and the documents' files saved. */
function userFolder(): TempFolder {
  const folder = tempFolder()
  const install = (name: string, from: string) => {
    mkdirSync(dirname(join(folder.path, 'node_modules', name)), { recursive: true })
    symlinkSync(from, join(folder.path, 'node_modules', name))
  }
  install('dcache', projectRoot)
  for (const name of ['piscina', 'prom-client', '@types/node'])
    install(name, join(projectRoot, 'node_modules', name))
  folder.write('package.json', '{ "type": "module" }')
  for (const [name, text] of savedFiles) folder.write(name, text)
  return folder
}

/** Runs node to its end in the folder; a failure of it is the test's. */
function node(folder: TempFolder, ...options: string[]): string {
  const run = spawnSync(process.execPath, options, {
    cwd: folder.path,
    encoding: 'utf8',
    timeout: 120_000,
    killSignal: 'SIGKILL',
  })
  if (run.error) throw run.error
  assert.is(run.status, 0, `node ${options.join(' ')}\n${run.stdout}${run.stderr}`)
  return run.stdout
}

const programs = suite('programs of the documents')

programs('every file is run, or used by one that is', () => {
  assert.is(savedFiles.size, documents.flatMap((text) => [...files(text)]).length, 'no name is used twice')
  const used = [...savedFiles.values()].flatMap((text) =>
    [...text.matchAll(/'(\S+\.mjs)'/g)].map(([, name]) => name!),
  )
  const run = allSessions.map(({ file }) => file)
  assert.ok(run.length >= 3)
  for (const name of savedFiles.keys())
    if (/(?<!\.test)\.[cm]?js$/.test(name)) assert.ok(run.includes(name) || used.includes(name), name)
})

for (const { file, output } of allSessions) {
  programs(`${file} runs as pasted`, () => {
    using folder = userFolder()
    assert.is(node(folder, file), output)
  })
}

for (const name of savedFiles.keys())
  if (name.endsWith('.test.mjs'))
    programs(`${name} passes`, () => {
      using folder = userFolder()
      node(folder, '--test', name)
    })

onlyNormal(programs, 'the TypeScript compiles, and runs where it is lowered', () => {
  using folder = userFolder()
  const names = [...savedFiles.keys()].filter((name) => name.endsWith('.ts'))
  assert.ok(names.length > 0)
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    lib: ['ES2024', 'ESNext.Disposable'],
    types: ['node'],
    strict: true,
    noEmit: true,
  }
  folder.write('tsconfig.json', JSON.stringify({ compilerOptions, files: names }))
  node(folder, join(projectRoot, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json')
  for (const name of names) {
    const { code } = transformSync(savedFiles.get(name)!, {
      loader: 'ts',
      target: 'node20',
      format: 'esm',
    })
    folder.write(`${name}.mjs`, code)
    node(folder, `${name}.mjs`)
  }
})

programs('the other JavaScript is well formed', () => {
  using folder = userFolder()
  documents
    .flatMap(codeBlocks)
    .filter(({ language }) => language === 'js')
    .forEach(({ text }, i) => node(folder, '--check', folder.write(`snippet-${i}.mjs`, text)))
})

test('every error code has its heading, in order', () => {
  assert.equal(headings(textOf('docs/errors.md'), 2), Object.keys(CODES))
})

/** The members of a public interface, in order, each once. */
function membersOf(name: string): string[] {
  const text = ['interface', 'options', 'reports'].map((file) => sources.get(`shared/${file}.ts`)!).join('\n')
  const body = new RegExp(`^export interface ${name}\\b.*\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(text)![1]!
  return [...new Set([...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(<]/gm)].map(([, member]) => member!))]
}

test('the options, calls and members are those of the interface', () => {
  const api = textOf('docs/api.md')
  const tuning = textOf('docs/tuning.md')
  const described = (text: string, heading: string) =>
    tableAfter(text, heading).flatMap(([cell]) => quoted(cell!).map((code) => /\w+/.exec(code)![0]))
  for (const [names, wanted] of [
    [described(tuning, 'Of openCache'), membersOf('CacheOptions')],
    [described(tuning, 'Of a partition'), membersOf('PartitionOptions')],
    [described(api, 'What the owner has'), membersOf('BlockCache')],
    [described(api, 'What every client has'), membersOf('CacheClient')],
    [['name', 'blockSize', 'blocks', 'readOnly', ...described(api, 'Partitions')], membersOf('Partition')],
    [described(api, 'Members'), membersOf('BlockGuard')],
    [described(api, 'Events'), membersOf('CacheEvents')],
  ] as const) {
    assert.ok(wanted.length > 2)
    assert.equal([...names].sort(), [...wanted].sort())
  }
})

test('the limits are those of the code', () => {
  const limits = new Map(
    tableAfter(textOf('docs/platforms.md'), 'Limits').map(([what, limit]) => [what, limit!]),
  )
  const begins = (what: string, limit: number) =>
    assert.match(limits.get(what) ?? '', new RegExp(`^${limit}\\b`), what)
  begins('partitions', layout.PARTITIONS_MAX)
  begins('write classes', layout.CLASSES_MAX)
  begins('attached threads', THREADS_MAX)
  begins('guards a thread may hold', layout.GUARDS_MAX)
})

const geometry: layout.Geometry = { blocks: 5001, spares: 333, loans: 624, frameSize: 65536, partitions: 5, groups: 3, slots: 71, stripes: 64, buckets: 8192, traceEntries: 1024, classes: 7, ghostWords: 0, writers: 3 } // prettier-ignore

test('the bytes that docs/tuning.md gives for a block, a spare and a slot are those of the memory map', () => {
  const bytesOf = (more: Partial<layout.Geometry>) => {
    const [a, b] = [layout.layoutOf(geometry), layout.layoutOf({ ...geometry, ...more })]
    return b.dataStart - a.dataStart
  }
  const said =
    /about (\d+) bytes for each block, (\d+) for each spare,\s+(\d+) KiB for each thread slot/.exec(
      textOf('docs/tuning.md'),
    )
  const [block, spare, slot] = said?.slice(1).map(Number) ?? []
  const many = 2 ** 14
  const near = (value: number, wanted: number) => Math.abs(value - wanted) <= wanted / 10
  const ofBlocks = bytesOf({ blocks: geometry.blocks + many, buckets: geometry.buckets + many })
  assert.ok(near(ofBlocks / many, block!), `${ofBlocks / many} bytes for each block`)
  assert.ok(near(bytesOf({ spares: geometry.spares + many }) / many, spare!))
  assert.ok(near(bytesOf({ slots: geometry.slots + 128 }) / 128 / 1024, slot!))
})

if (existsSync(commandLine)) {
  for (const [command, page, heading] of [
    ['load', 'command-line.md', 'dcache load'],
    ['top', 'command-line.md', 'dcache top'],
    ['journal', 'journal.md', 'dcache journal'],
    ['trace', 'command-line.md', 'dcache trace'],
    ['serve', 'block-device.md', 'Options'],
    ['bench', 'benchmarks.md', 'Options'],
  ] as const) {
    test(`the options of dcache ${command} are those of its help`, () => {
      using folder = tempFolder()
      const help = node(folder, commandLine, command, '--help')
      const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option!)
      assert.ok(options.length > 1)
      const described = tableAfter(textOf(`docs/${page}`), heading).map(
        ([option]) => /--[\w-]+/.exec(option!)?.[0],
      )
      assert.equal(described.sort(), options.filter((option) => option !== '--help').sort())
    })
  }
}

test('docs/testing.md says of every folder of tests what it shows', () => {
  const described = tableAfter(textOf('docs/testing.md'), 'Suites').map(([folder]) => quoted(folder!)[0])
  const names = readdirSync(join(projectRoot, 'test'), { recursive: true, encoding: 'utf8' })
  const suites = names.filter((name) => name.endsWith('.test.ts')).map((name) => dirname(name))
  assert.ok(suites.includes('unit'))
  for (const folder of suites) assert.ok(described.includes(folder), folder)
})

test('the figures are those of the run that is checked in', () => {
  const reports = ['bench', 'partitions', 'commit', 'replay'].map((name) => {
    const path = `bench/results/${name}.json`
    const report = JSON.parse(textOf(path)) as BenchReport
    const lines = quoteLines(report)
    assert.ok(textOf('docs/benchmarks.md').includes(lines.join('\n')), `node dist/bench/quote.js ${path}`)
    return { report, lines }
  })
  const measured = reports.flatMap(({ report }) => report.suites.map(({ name }) => name))
  for (const name of QUOTED_SUITES) assert.is(measured.filter((other) => other === name).length, 1, name)
  const { lines } = reports[0]!
  const setup = lines.slice(0, lines.indexOf(''))
  assert.ok(readme.includes(`${setup.join('\n')}\n\n| | median (p10 - p90) |`), 'README: the machine')
  const quotes = tableAfter(readme, 'Speed').map((cells) => `| ${cells.join(' | ')} |`)
  assert.is(quotes.length, 10)
  for (const line of quotes) assert.ok(lines.includes(line), line)
})

test('what README says of durability is what docs/durability.md says', () => {
  const rows = tableAfter(textOf('docs/durability.md'), 'What is durable')
  const said = tableAfter(readme, 'What is durable')
  assert.equal(said, rows.slice(0, said.length))
})

test('README is no longer than a newcomer reads', () => {
  assert.ok(readme.split('\n').length <= 251)
  assert.is(tableAfter(readme, 'Words').length, 10)
})

programs.run()
test.run()
