// README.md against the code: programs that run as pasted, and lists that are complete.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BenchReport } from '#dist/bench/harness/report.js'
import { quoteLines } from '#dist/bench/quote.js'
import * as layout from '#dist/shared/layout.js'
import { CODES } from 'dcache'
import { transformSync } from 'esbuild'
import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { codeBlocks, files, headings, quoted, sessions, tableAfter } from '../support/readme-snippets.js'
import { tempFolder, type TempFolder } from '../support/temp.js'

const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8')
const commandLine = join(projectRoot, 'dist/cli/main.js')

/** A folder as a user has it: dcache and piscina installed, and the README's files saved. */
function userFolder(): TempFolder {
  const folder = tempFolder()
  const install = (name: string, from: string) => {
    mkdirSync(dirname(join(folder.path, 'node_modules', name)), { recursive: true })
    symlinkSync(from, join(folder.path, 'node_modules', name))
  }
  install('dcache', projectRoot)
  for (const name of ['piscina', '@types/node']) install(name, join(projectRoot, 'node_modules', name))
  folder.write('package.json', '{ "type": "module" }')
  for (const [name, text] of files(readme)) folder.write(name, text)
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

const programs = suite('programs of the README')

programs('every file is run, or used by one that is', () => {
  const all = files(readme)
  const used = [...all.values()].flatMap((text) =>
    [...text.matchAll(/'(\S+\.mjs)'/g)].map(([, name]) => name!),
  )
  const run = sessions(readme).map(({ file }) => file)
  assert.ok(run.length >= 3)
  for (const name of all.keys())
    if (name.endsWith('.mjs')) assert.ok(run.includes(name) || used.includes(name), name)
})

for (const { file, output } of sessions(readme)) {
  programs(`${file} runs as pasted`, () => {
    using folder = userFolder()
    assert.is(node(folder, file), output)
  })
}

programs('the TypeScript compiles, and runs where it is lowered', () => {
  using folder = userFolder()
  const names = [...files(readme).keys()].filter((name) => name.endsWith('.ts'))
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
    const { code } = transformSync(files(readme).get(name)!, {
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
  codeBlocks(readme)
    .filter(({ language }) => language === 'js')
    .forEach(({ text }, i) => node(folder, '--check', folder.write(`snippet-${i}.mjs`, text)))
})

test('every error code has its heading, in order', () => {
  assert.equal(
    headings(readme, 4).filter((text) => text.startsWith('ERR_')),
    Object.keys(CODES),
  )
})

test('links within the file lead somewhere', () => {
  const anchors = [1, 2, 3, 4]
    .flatMap((level) => headings(readme, level))
    .map((heading) => heading.toLowerCase().replaceAll(/[^\w\- ]/g, '').replaceAll(' ', '-')) // prettier-ignore
  for (const [, anchor] of readme.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(anchors.includes(anchor!), anchor)
  for (const [, path] of readme.matchAll(/\]\((?!#|https:)([^)]+)\)/g))
    assert.ok(existsSync(join(projectRoot, path!)), path)
})

test('the limits are those of the code', () => {
  const limits = new Map(tableAfter(readme, 'Platforms and limits').map(([what, limit]) => [what, limit!]))
  const begins = (what: string, limit: number) =>
    assert.match(limits.get(what) ?? '', new RegExp(`^${limit}\\b`), what)
  begins('partitions', layout.PARTITIONS_MAX)
  begins('write classes', layout.CLASSES_MAX)
  begins('attached threads', layout.SLOTS_MAX - 3)
  begins('guards a thread may hold', layout.GUARDS_MAX)
})

const geometry: layout.Geometry = {
  blocks: 5001, spares: 333, frameSize: 65536, partitions: 5, groups: 3, slots: 71, stripes: 64, buckets: 8192, traceEntries: 1024, classes: 7, ghosts: 0,
} // prettier-ignore

test('the bytes that README gives for a block, a spare and a slot are those of the memory map', () => {
  const bytesOf = (more: Partial<layout.Geometry>) => {
    const [a, b] = [layout.layoutOf(geometry), layout.layoutOf({ ...geometry, ...more })]
    return b.dataStart - a.dataStart
  }
  const said =
    /about (\d+) bytes for each block, (\d+) for each spare,\s+(\d+) KiB for each thread slot/.exec(readme)
  const [block, spare, slot] = said?.slice(1).map(Number) ?? []
  const many = 2 ** 14
  const near = (value: number, wanted: number) => Math.abs(value - wanted) <= wanted / 10
  const ofBlocks = bytesOf({ blocks: geometry.blocks + many, buckets: geometry.buckets + many })
  assert.ok(near(ofBlocks / many, block!), `${ofBlocks / many} bytes for each block`)
  assert.ok(near(bytesOf({ spares: geometry.spares + many }) / many, spare!))
  assert.ok(near(bytesOf({ slots: geometry.slots + 128 }) / 128 / 1024, slot!))
})

if (existsSync(commandLine)) {
  for (const [command, heading] of [
    ['load', 'Command line'],
    ['serve', 'A block device: dcache serve'],
    ['bench', 'Benchmarks: dcache bench'],
  ] as const) {
    test(`the options of dcache ${command} are those of its help`, () => {
      using folder = tempFolder()
      const help = node(folder, commandLine, command, '--help')
      const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option!)
      assert.ok(options.length > 1)
      const described = tableAfter(readme, heading).map(([option]) => /--[\w-]+/.exec(option!)?.[0])
      assert.equal(described.sort(), options.filter((option) => option !== '--help').sort())
    })
  }
}

test('README says of every folder of tests what it shows', () => {
  const described = tableAfter(readme, 'Tests').map(([folder]) => quoted(folder!)[0])
  const names = readdirSync(join(projectRoot, 'test'), { recursive: true, encoding: 'utf8' })
  const suites = names.filter((name) => name.endsWith('.test.ts')).map((name) => dirname(name))
  assert.ok(suites.includes('unit'))
  for (const folder of suites) assert.ok(described.includes(folder), folder)
})

test('the performance section quotes the run that is checked in', () => {
  const report = JSON.parse(
    readFileSync(join(projectRoot, 'bench/results/bench.json'), 'utf8'),
  ) as BenchReport
  const section = readme.slice(readme.indexOf('## Performance'), readme.indexOf('## Platforms and limits'))
  assert.ok(
    section.includes(quoteLines(report).join('\n')),
    'node dist/bench/quote.js bench/results/bench.json',
  )
})

programs.run()
test.run()
