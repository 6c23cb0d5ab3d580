// @deadline 900
// `dcache bench` as a user runs it: every suite at its smoke size, all of its figures, the page, and what is refused.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { BenchReport, Figure, Section } from '#dist/bench/harness/report.js'
import { POLICIES } from '#dist/bench/replay/policies.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { canRun, programs, works } from '../support/left-out.js'
import { projectRoot } from '../support/project.js'
import { isMiddle, isSmall, sample } from '../support/size.js'
import { tempFolder } from '../support/temp.js'

const COMMAND = join(projectRoot, 'dist/cli/main.js')
const test = suite('dcache bench')

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [COMMAND, 'bench', ...args], { encoding: 'utf8', maxBuffer: 2 ** 26 })
}

/** The numbers in a figure. */
const numbersOf = (figure: Figure | undefined): number[] =>
  typeof figure === 'number' ? [figure] : figure ? [figure.p10, figure.median, figure.p90] : []

/** Figures that may be missing, or below what a measure can be; all others are numbers above 0. */
const NULL_ALONE = ['scaling', 'scalingToFloor', 'quartile', 'fairness']
/** Without nbdkit `nbd` has nothing to compare with. */
const hasNbdkit = works('nbdkit', '--version')
/** At a smoke size no block may be written during the longest changes. */
const NULL_SMALL = ['device', 'ratio']
/** The commits of SQLite, which this Node.js may not have; and those of four threads, at a smoke size. */
const MAY_BE_MISSING = ['toSqlite', 'ratio of a criterion']
const canSlow = process.platform === 'linux' && works('cc', '--version')
const MAY_BE_ANY = [
  ...['growth', 'minor', 'other'],
  ...POLICIES.map(({ key }) => key),
  // In a slice of milliseconds there may be no round, and no wait; and a bare fsync may take longer than a commit.
  ...['stalled', 'spareWaits', 'rounds', 'roundsBefore', 'written', 'toPlain', 'roundTrips'],
]

function assertComplete(section: Section): void {
  assert.ok(section.rows.length > 0, `${section.name} has rows`)
  for (const { parameters, figures } of section.rows) {
    assert.equal(Object.keys(figures).sort(), section.columns.map(({ key }) => key).sort())
    for (const { key } of section.columns) {
      const where = `${section.name}, ${JSON.stringify(parameters)}, ${key}: ${JSON.stringify(figures[key])}`
      if (figures[key] === null) {
        const isAlone = NULL_ALONE.includes(key) && parameters['threads'] === 1
        // One thread among others of another kind has no thread to share with.
        const isOne = key === 'share' && /: the (one|others)$/.test(String(parameters['what']))
        const isSmall = section.name === 'steady' && NULL_SMALL.includes(key)
        const isMissing = MAY_BE_MISSING.includes(section.name === 'criteria' ? `${key} of a criterion` : key)
        assert.ok(isAlone || isOne || isSmall || isMissing || (key === 'toNbdkit' && !hasNbdkit), where)
        continue
      }
      const numbers = numbersOf(figures[key])
      assert.ok(numbers.length > 0 && numbers.every(Number.isFinite), where)
      if (!MAY_BE_ANY.includes(key)) assert.ok(Math.min(...numbers) > 0, where)
      const [low, median, high] = numbers
      if (numbers.length === 3) assert.ok(low! <= median! && median! <= high!, where)
    }
  }
}

/** The values that a parameter has in a section. */
const valuesOf = (section: Section, name: string) => [
  ...new Set(section.rows.map(({ parameters }) => parameters[name])),
]

/** Those that take seconds at a smoke size. */
const QUICK = isSmall ? ['recovery', 'replay'] : ['hit', 'contention', 'recovery', 'partitions', 'replay']

if (isSmall || isMiddle)
  test('the quick suites measure what they say, at a smoke size', () => {
    const { status, stdout, stderr } = run(...QUICK, '--smoke', '--json')
    assert.is(status, 0, stderr)
    const { suites } = JSON.parse(stdout) as BenchReport
    assert.equal(
      suites.map(({ name }) => name),
      QUICK,
    )
    for (const { sections } of suites) sections.forEach(assertComplete)
  })
else test('every suite measures what it says, at a smoke size', everySuite)

function everySuite(): void {
  using folder = tempFolder()
  const hasFio =
    canRun('dcache bench nbd', programs('fio', 'nbdkit', 'qemu-nbd')) || works('fio', '--version')
  const page = join(folder.path, 'out', 'bench.html')
  const { status, stdout, stderr } = run('--smoke', '--json', '--html', page)
  assert.is(status, 0, stderr)
  const report = JSON.parse(stdout) as BenchReport
  assert.is(report.setup.node, process.version)
  assert.ok(report.setup.cores > 0 && report.setup.cpu !== '')
  const sections = new Map<string, Section>()
  for (const { name, sections: own } of report.suites) {
    for (const section of own) {
      assertComplete(section)
      sections.set(`${name}/${section.name}`, section)
    }
  }
  assert.equal(
    [...sections.keys()].filter((name) => name !== 'disk/fio'),
    [
      'hit/cost',
      'hit/probes',
      'hit/garbage',
      'contention/contention',
      'contention/starvation',
      'contention/shares',
      'modify/changes',
      'modify/floors',
      'modify/hot-set',
      'modify/class-changes',
      'modify/flipped',
      'modify/prices',
      'recovery/recovery',
      'partitions/opening',
      'partitions/writing',
      'partitions/changing',
      'replay/ratios',
      'replay/means',
      'replay/time',
      'replay/restarts',
      'disk/misses',
      'disk/flushes',
      'disk/commits',
      'disk/logs',
      'disk/steady',
      'commit/durable',
      ...(canSlow ? ['commit/slowed'] : []),
      'commit/relaxed',
      'commit/reads',
      'commit/criteria',
      ...(hasFio ? ['nbd/requests', 'nbd/commits'] : []),
    ],
  )
  if (hasFio)
    assert.equal(valuesOf(sections.get('nbd/requests')!, 'operation'), ['random reads', 'random writes'])
  assert.equal(valuesOf(sections.get('hit/cost')!, 'variant').sort(), [
    'dcache, bytes',
    'dcache, data',
    'dcache, readSync of 8 bytes',
    'fetch-add',
    'floor',
    'floor again (A/A)',
    'fs.readSync',
    'lmdb',
    'lru-cache of its own',
    'owner by message',
  ])
  assert.equal(valuesOf(sections.get('hit/cost')!, 'pattern'), ['uniform', 'zipf', 'hot'])
  assert.equal(valuesOf(sections.get('hit/cost')!, 'threads'), [1, 2])
  assert.is(valuesOf(sections.get('contention/contention')!, 'what').length, 10)
  assert.is(sections.get('contention/starvation')!.rows.length, 2)
  assert.is(sections.get('contention/shares')!.rows.length, 6)
  assert.is(sections.get('modify/changes')!.rows.length, 8)
  assert.equal(
    [
      ...new Set(sections.get('modify/floors')!.rows.map(({ parameters }) => String(parameters['what']))),
    ].sort(),
    [
      '64 bytes, by guard',
      '64 bytes, by writeSync',
      'floor: a block write',
      'floor: a block write, copied by set',
      'floor: a change',
      'floor: a change again (A/A)',
      'floor: a change, copied by set',
      'floor: a hit',
      'whole block, by guard',
      'whole block, by writeSync',
    ],
  )
  assert.is(sections.get('modify/hot-set')!.rows.length, 2)
  assert.is(sections.get('modify/prices')!.rows.length, 3)
  assert.equal(valuesOf(sections.get('partitions/writing')!, 'partitions'), [1, 12])
  const durable = sections.get('commit/durable')!
  assert.equal(valuesOf(durable, 'blocks'), [1, 8])
  assert.equal(valuesOf(durable, 'threads'), [1, 2])
  const variants = valuesOf(durable, 'variant')
  for (const name of ['dcache', 'append', 'lmdb', 'classic-level']) assert.ok(variants.includes(name), name)
  assert.is(sections.get('commit/reads')!.rows.length, canSlow ? 2 : 1)
  assert.equal(valuesOf(sections.get('disk/flushes')!, 'what').length, 3)
  assert.equal(valuesOf(sections.get('disk/misses')!, 'order'), ['random', 'sequential'])
  assert.equal(valuesOf(sections.get('disk/misses')!, 'threads'), [1, 2])
  const commits = sections.get('disk/commits')!
  const places = existsSync('/dev/shm') ? ['disk', '/dev/shm'] : ['disk']
  assert.equal(valuesOf(commits, 'files'), [...places, 'slowed to 8 ms and 50 MB/s'])
  assert.equal(valuesOf(commits, 'ms apart'), [0, 20])
  if (hasFio) assert.equal(valuesOf(sections.get('nbd/commits')!, 'files'), places)

  const html = readFileSync(page, 'utf8')
  assert.match(html, /^<!doctype html>/)
  const parts = new Map(html.split('<section id="').slice(1).map((part) => [part.slice(0, part.indexOf('"')), part])) // prettier-ignore
  for (const { name, sections: own } of report.suites)
    assert.is(parts.get(name)!.includes('<svg'), own.length > 0, `${name} has its plots`)
  assert.not.match(html, /<(?:script|link|img|iframe)\b|url\(|@import/)
  for (const { title } of sections.values()) assert.ok(html.includes(title), title)
  console.log(
    `# every suite at its smoke size: ${[...sections.values()].flatMap(({ rows }) => rows).length} rows of figures`,
  )
}

test('a trace is replayed at the sizes that are asked for', () => {
  using folder = tempFolder()
  const trace = join(folder.path, 'loop.u32.gz')
  const blocks = Uint32Array.from({ length: 3000 }, (_, i) => i % 30)
  writeFileSync(trace, gzipSync(new Uint8Array(blocks.buffer)))
  const { status, stdout, stderr } = run('replay', '--json', '--trace', trace, '--sizes', '10,30')
  assert.is(status, 0, stderr)
  const { rows } = (JSON.parse(stdout) as BenchReport).suites[0]!.sections[0]!
  assert.equal(valuesOf({ rows } as Section, 'blocks'), [10, 30])
  // A loop that does not fit is the worst case of LRU; one that fits has its first round of misses only.
  assert.is(rows[0]!.figures['lru'], 0)
  for (const figure of Object.values(rows[1]!.figures)) assert.is(figure, 99)
  const best = rows[0]!.figures['best'] as number
  assert.ok(best > 30 && best < 34, `${best} % is what 10 of 30 blocks can do in a loop`)
})

test('sizes can be given for each trace; their means, and the hits over time at the middle size', () => {
  using folder = tempFolder()
  const path = (name: string) => join(folder.path, `${name}.u32.gz`)
  const write = (name: string, blocks: Uint32Array) => {
    writeFileSync(path(name), gzipSync(new Uint8Array(blocks.buffer)))
  }
  write(
    'loop',
    Uint32Array.from({ length: 1000 }, (_, i) => i % 20),
  )
  // The first half is one block, the other half a scan.
  write(
    'a=b',
    Uint32Array.from({ length: 1000 }, (_, i) => Math.max(0, i - 499)),
  )
  const args = ['--trace', path('loop'), path('a=b'), '--sizes', 'a=b=1, 2,4', '--sizes', '5,20']
  const { status, stdout, stderr } = run('replay', '--json', ...args)
  assert.is(status, 0, stderr)
  const sections = (JSON.parse(stdout) as BenchReport).suites[0]!.sections
  const [ratios, means, time] = ['ratios', 'means', 'time'].map((name) => sections.find((section) => section.name === name)!) // prettier-ignore
  const sizes = ratios!.rows.map(({ parameters: { trace, blocks } }) => [trace, blocks])
  assert.equal(sizes, [['loop', 5], ['loop', 20], ['a=b', 1], ['a=b', 2], ['a=b', 4]]) // prettier-ignore
  assert.equal(
    means!.rows.map(({ parameters }) => parameters),
    [{ trace: 'loop', sizes: 2 }, { trace: 'a=b', sizes: 3 }, { trace: 'all', sizes: 5 }],
  ) // prettier-ignore
  // In the loop LRU hits nothing in 5 blocks, and all except the first round in 20.
  assert.equal(means!.rows.map(({ figures }) => figures['lru']), [49, 49.9, 49.45]) // prettier-ignore
  const [loop, scan] = ['loop', 'a=b'].map((name) => time!.rows.filter(({ parameters: { trace } }) => trace === name)) // prettier-ignore
  assert.equal([loop!.length, scan!.length], [100, 100])
  assert.equal(new Set(scan!.map(({ parameters }) => parameters['blocks'])), new Set([2]))
  assert.equal(scan!.map(({ figures }) => figures['best']), [90, ...Array<number>(49).fill(100), ...Array<number>(50).fill(0)]) // prettier-ignore
  assert.is(time!.textRows!.length, 20)
})

test('what is wrong is refused before anything runs', () => {
  using folder = tempFolder()
  const refused: [string[], RegExp][] = [
    [['nothing'], /nothing/],
    [['hit', '--threads', '0'], /whole number/],
    [['hit', '--threads', '1,x'], /whole number/],
    [['hit', '--patterns', 'zipf,odd'], /uniform, zipf, hot/],
    [['hit', '--policy', 'fifo'], /fifo/],
    [['hit', '--rounds', '1.5'], /whole number/],
    [['replay', '--trace', join(folder.path, 'none.u32.gz')], /none\.u32\.gz/],
    [['replay', '--sizes', '10', '--sizes', '20'], /already/],
    [['replay', '--sizes', 'a=10', '--sizes', 'a=20'], /trace a were given already/],
    [['replay', '--sizes', 'a=0'], /whole number/],
    [['replay', '--sizes', 'a='], /whole number/],
    [['replay', '--sizes', 'oltp=10'], /--sizes oltp=… is for no trace of this run, which has made up/],
    [['hit', '--html', folder.path], /can't be written/],
    [['--from', join(folder.path, 'none.json')], /none\.json can't be read/],
    [['--unknown'], /unknown/],
  ]
  for (const [args, message] of sample(refused, 6)) {
    const { status, stdout, stderr } = run(...args)
    assert.is(status, 2, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, message)
    assert.is(stdout, '')
  }
})

test('help', () => {
  const { status, stdout } = run('--help')
  assert.is(status, 0)
  for (const name of [
    'hit',
    'contention',
    'modify',
    'recovery',
    'partitions',
    'replay',
    'disk',
    'commit',
    'nbd',
  ])
    assert.match(stdout, new RegExp(`^ +${name} `, 'm'))
})

test.run()
