// @deadline 360
// `dcache load` as a user runs it, in a child process: its exit code, its output, and what it leaves behind.

import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { LoadReport } from '#dist/cli/load-report.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { onlyNormal, sample } from '../support/size.js'

const COMMAND = join(projectRoot, 'dist/cli/main.js')

interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A folder for the files of a test, and another one that serves the command as the system's temporary folder. */
function workplace() {
  const folder = mkdtempSync(join(tmpdir(), 'dcache-test-'))
  const temporary = join(folder, 'temporary')
  mkdirSync(temporary)
  return {
    folder,
    /** Creates a file of this size, whose bytes differ from block to block. */
    file(name: string, bytes: number): string {
      const path = join(folder, name)
      const words = new Uint32Array(bytes / 4)
      words.forEach((_, i) => (words[i] = Math.imul(i + 1, 0x9e3779b1)))
      writeFileSync(path, words)
      return path
    },
    /** Runs the command; `seen` is called with all of its output whenever there is more. */
    run(
      args: readonly string[],
      seen: (output: string, kill: (name: NodeJS.Signals) => void) => void = () => {},
    ): Promise<Run> {
      const child = spawn(process.execPath, [COMMAND, ...args], {
        env: { ...process.env, TMPDIR: temporary },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let [stdout, stderr] = ['', '']
      const look = () => seen(stdout + stderr, (name) => child.kill(name))
      child.stdout.on('data', (chunk: Buffer) => {
        stdout += chunk.toString()
        look()
      })
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString()
        look()
      })
      return new Promise((resolve) => {
        child.once('close', (code) => resolve({ code, stdout, stderr }))
      })
    },
    /** The files that the command left in its temporary folder. */
    leftOver: () => readdirSync(temporary),
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The report of a run with --json, which must be its whole output. */
function reportIn({ stdout, stderr, code }: Run): LoadReport {
  assert.match(stdout, /^\{.*\}\n$/, `exit code ${code}, ${stderr}`)
  return JSON.parse(stdout) as LoadReport
}

/** Asserts that every value in the report of a run is right. */
function assertRight(run: Run): LoadReport {
  assert.is(run.code, 0, run.stderr + run.stdout)
  const report = reportIn(run)
  assert.ok(report.ok)
  assert.equal([report.errors, report.mismatches, report.brokenInvariants], [[], [], []])
  assert.equal([report.mismatchesSeen, report.mismatchedBlocks], [0, 0])
  assert.is(report.verifiedBlocks, report.partitions.reduce((sum, { blocks }) => sum + blocks, 0)) // prettier-ignore
  assert.is(report.reads + report.writes, report.accesses)
  return report
}

test('without partitions it works in a temporary folder, verifies it, and removes it', async () => {
  using place = workplace()
  const run = await place.run(['load', '--seconds', '2', '--json'])
  const report = assertRight(run)
  assert.equal(
    report.partitions.map(({ name, blockSize }) => [name, blockSize]),
    [
      ['node', 8192],
      ['fresh', 8192],
    ],
  )
  assert.is(report.partitions[1]!.blocks * 8192, 64 << 20)
  assert.ok(report.accesses > 0 && report.reads > report.writes && report.writes > 0)
  assert.ok(report.seconds >= 2)
  assert.equal(report.settings, {
    threads: 4,
    reads: 0.8,
    classChanges: 0,
    grow: null,
    pattern: 'zipf:0.99',
    trace: null,
    memory: '64MiB',
    policy: 'adaptive',
    seed: 1,
  })
  assert.is(report.classChanges, 0)
  assert.is(report.interrupted, false)
  assert.ok(report.hitRatio > 0 && report.hitRatio <= 1)
  assert.ok(report.stats.rounds > 0 && report.bytesRead > 0 && report.bytesWritten > 0)
  for (const { count, p50, p99, p999, max } of Object.values(report.latencyUs)) {
    assert.ok(count > 0 && p50 > 0 && p50 <= p99 && p99 <= p999 && p999 <= max)
  }
  assert.equal(place.leftOver(), [])
})

test('the text output names what it changes, shows progress, and says what was verified', async () => {
  using place = workplace()
  const path = place.file('a:b', 1 << 20)
  const run = await place.run(['load', '--partition', `${path}:4096`, '--seconds', '5', '--memory', '256KiB', '--threads', '2']) // prettier-ignore
  assert.is(run.code, 0, run.stderr)
  const [first] = run.stdout.split('\n')
  assert.match(first!, 'The load changes the blocks of ')
  assert.match(first!, `${path} (256 blocks of 4096 bytes)`)
  assert.match(run.stdout, /accesses\/s {2}hits +[\d.]+ % {2}dirty +[\d.]+ % {2}rounds \d+ {2}\d+ s left\n/)
  assert.match(run.stdout, /p50 .* p99 .* p99\.9 .* max/)
  assert.match(run.stdout, /\n256 blocks of 1 file verified after close: all are correct\.\n$/)
  assert.is(run.stderr, '')
  assert.ok(!run.stdout.includes('\x1b'), 'no escape sequences without a terminal')
})

onlyNormal(test, 'a load with each pattern is verified', async () => {
  using place = workplace()
  const path = place.file('file', 1 << 20)
  for (const pattern of ['uniform', 'zipf:0.99', 'zipf:1', 'zipf:1.3', 'scan', 'hot']) {
    const run = await place.run(['load', '--partition', path, '--pattern', pattern, '--ops', '3000', '--memory', '512KiB', '--json']) // prettier-ignore
    const report = assertRight(run)
    assert.is(report.accesses, 3000)
    assert.is(report.settings.pattern, pattern)
  }
})

onlyNormal(
  test,
  'a load of writes by many threads on a few frames, with two block sizes, is verified',
  async () => {
    using place = workplace()
    const small = place.file('small', 1 << 17)
    const large = place.file('large', 1 << 20)
    const partitions = ['--partition', `${small}:512`, '--partition', `${large}:65536`]
    for (const reads of ['0', '0.5']) {
      const run = await place.run(['load', ...partitions, '--memory', '256KiB', '--threads', '8', '--ops', '800', '--reads', reads, '--class-changes', '0.02', '--pattern', 'uniform', '--json']) // prettier-ignore
      const report = assertRight(run)
      assert.ok(report.stats.evictions > 0)
      assert.is(report.verifiedBlocks, 256 + 16)
    }
  },
)

onlyNormal(test, 'writes that change the class of their block are verified too', async () => {
  using place = workplace()
  const path = place.file('file', 1 << 18)
  const run = await place.run(['load', '--partition', path, '--ops', '2000', '--reads', '0.2', '--class-changes', '0.25', '--memory', '512KiB', '--json']) // prettier-ignore
  const report = assertRight(run)
  assert.is(report.settings.classChanges, 0.25)
  const share = report.classChanges / report.writes
  assert.ok(share > 0.15 && share < 0.35, `${report.classChanges} of ${report.writes} writes`)
  assert.ok(report.stats.rounds > 10, `${report.stats.rounds} rounds`)
})

test('partitions that grow under the load have their sizes at the end, and what was added is verified', async () => {
  using place = workplace()
  const small = place.file('small', 1 << 17)
  const large = place.file('large', 1 << 20)
  const partitions = ['--partition', `${small}:512`, '--partition', `${large}:8192`]
  const run = await place.run(['load', ...partitions, '--grow', '3', '--seconds', '3', '--reads', '0.5', '--memory', '1MiB', '--json']) // prettier-ignore
  const report = assertRight(run)
  assert.is(report.settings.grow, 3)
  let added = 0
  for (const { path, blocks, blocksMax, blockSize } of report.partitions) {
    const before = blocksMax! / 3
    added += blocks - before
    assert.ok(blocks > before && blocks <= blocksMax!, `${blocks} blocks of up to ${blocksMax!}`)
    const contents = readFileSync(path)
    assert.is(contents.length, blocks * blockSize)
    assert.ok(contents.subarray(before * blockSize).some(Boolean), 'added blocks were changed')
  }
  assert.is(report.addedBlocks, added)
  assert.ok(report.extends > 0)
})

onlyNormal(test, 'a load that ends before its partitions have grown to the end is verified', async () => {
  using place = workplace()
  const path = place.file('file', 1 << 20)
  const run = await place.run([
    'load',
    '--partition',
    path,
    '--grow',
    '50',
    '--ops',
    '3000',
    '--memory',
    '512KiB',
  ])
  assert.is(run.code, 0, run.stderr)
  const [, added] = /extends +[\d,]+ {2}\(([\d,]+) blocks\)/.exec(run.stdout)!
  const blocks = 128 + Number(added!.replaceAll(',', ''))
  assert.match(
    run.stdout,
    `\n${blocks.toLocaleString('en')} blocks of 1 file verified after close: all are correct.\n`,
  )
  assert.is(readFileSync(path).length, blocks * 8192)
})

onlyNormal(test, 'a load of many threads on one block is verified', async () => {
  using place = workplace()
  const path = place.file('file', 512)
  const run = await place.run(['load', '--partition', `${path}:512`, '--threads', '4', '--ops', '5000', '--reads', '0.5', '--memory', '1MiB', '--json']) // prettier-ignore
  assert.ok(assertRight(run).hitRatio > 0.5)
})

onlyNormal(test, 'a trace is replayed once, or as often as requested', async () => {
  using place = workplace()
  const path = place.file('file', 1 << 20)
  const numbers = Uint32Array.from({ length: 1000 }, (_, i) => (i % 50) * 100_003)
  const trace = join(place.folder, 'trace.u32.gz')
  writeFileSync(trace, gzipSync(numbers))
  const load = ['load', '--partition', path, '--trace', trace, '--memory', '1MiB', '--json']
  const once = assertRight(await place.run([...load, '--reads', '1', '--threads', '1']))
  assert.equal([once.accesses, once.reads, once.settings.pattern], [1000, 1000, 'trace'])
  // The block of each number is missed once and hit from then on; two of the 50 numbers may share a block.
  const blocks = new Set(Array.from(numbers, (number) => number % 128)).size
  assert.is(once.stats.misses, blocks)
  assert.ok(Math.abs(once.hitRatio - (1 - blocks / 1000)) < 1e-9, String(once.hitRatio))
  // Two threads may miss the same block concurrently; it is read from the disk once.
  const shared = assertRight(await place.run([...load, '--reads', '1', '--threads', '3']))
  assert.equal([shared.accesses, shared.stats.diskReads], [1000, blocks])
  assert.is(assertRight(await place.run([...load, '--ops', '2500'])).accesses, 2500)
})

const traces = join(projectRoot, '../shared/traces')
if (existsSync(join(traces, 'oltp.u32.gz'))) {
  onlyNormal(test, 'the recorded trace oltp can be replayed', async () => {
    using place = workplace()
    const path = place.file('file', 16 << 20)
    const run = await place.run(['load', '--partition', path, '--trace', join(traces, 'oltp.u32.gz'), '--ops', '20000', '--reads', '0.95', '--memory', '4MiB', '--json']) // prettier-ignore
    const { accesses, hitRatio } = assertRight(run)
    assert.is(accesses, 20_000)
    console.log(
      `\n# oltp, its first 20,000 accesses on 2,048 blocks, 4 MiB: hit ratio ${(hitRatio * 100).toFixed(1)} %`,
    )
  })
} else {
  console.log('# left out: a real trace (there is no ../shared/traces/oltp.u32.gz)')
}

test('bad input causes a clear message and exit code 2, and leaves nothing', async () => {
  using place = workplace()
  const good = place.file('good', 1 << 20)
  const odd = place.file('odd', 8192 + 512)
  const bad = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(place.folder, name), bytes)
    return join(place.folder, name)
  }
  const cases: [string[], RegExp][] = [
    [['--pattern', 'zigzag'], /uniform, scan, hot, or zipf/],
    [['--pattern', 'zipf:0'], /exponent above 0/],
    [['--threads', 'many'], /whole number from 1/],
    [['--threads', '0'], /whole number from 1/],
    [['--seconds', '0'], /number above 0/],
    [['--seconds', '1e'], /number above 0/],
    [['--ops', '-1'], /ops/],
    [['--reads', '1.5'], /number from 0 to 1/],
    [['--class-changes', '2'], /number from 0 to 1/],
    [['--grow', '1'], /number above 1/],
    [['--grow', '2', '--trace', 'x'], /--grow <factor>' cannot be used with option '--trace <file>'/],
    [['--seed', '1.5'], /whole number from 0/],
    [['--policy', 'random'], /adaptive, lru2/],
    [['--what'], /unknown option/],
    [['--memory', 'much'], /memory is 'much'.*ERR_DCACHE_BAD_OPTION/],
    [['--memory', '1KiB'], /ERR_DCACHE_MEMORY/],
    [['--partition', join(place.folder, 'none')], /no such file.*ERR_DCACHE_BAD_FILE/],
    [['--partition', place.folder], /ERR_DCACHE_BAD_FILE/],
    [['--partition', odd], /not a multiple of the block size, 8192 bytes.*ERR_DCACHE_BAD_FILE/],
    [['--partition', bad('empty', new Uint8Array())], /is empty.*ERR_DCACHE_BAD_FILE/],
    [['--partition', `${good}:1000`], /power of two.*ERR_DCACHE_BAD_BLOCK_SIZE/],
    [['--partition', good, '--partition', good], /overlap in one file.*ERR_DCACHE_IN_USE/],
    [['--trace', join(place.folder, 'none.gz')], /trace .*none\.gz can't be read: ENOENT/],
    [['--trace', bad('plain', Uint8Array.of(1, 2, 3, 4))], /trace .*plain can't be read/],
    [['--trace', bad('short', gzipSync(Uint8Array.of(1, 2, 3)))], /4 bytes for each access/],
  ]
  const before = readFileSync(good)
  for (const [args, message] of sample(cases, 4)) {
    const what = args.join(' ')
    const run = await place.run(['load', '--seconds', '1', ...args])
    assert.is(run.code, 2, `${what}: ${run.stdout}${run.stderr}`)
    assert.match(run.stderr, message)
    assert.not.match(run.stderr, /^ +at /m)
    assert.is(run.stdout, '', what)
    assert.equal(place.leftOver(), [], what)
  }
  assert.ok(before.equals(readFileSync(good)))
  assert.is((await place.run(['lode'])).code, 2)
  const help = await place.run(['load', '--help'])
  assert.is(help.code, 0)
  assert.match(help.stdout, /OVERWRITTEN/)
})

for (const name of sample(['SIGINT', 'SIGTERM'] as const, 1)) {
  test(`${name} ends the load, which is then verified`, async () => {
    using place = workplace()
    let sent = false
    const run = await place.run(
      ['load', '--seconds', '100', '--json', '--memory', '8MiB'],
      (output, kill) => {
        if (sent || !output.includes('accesses/s')) return
        sent = true
        kill(name)
      },
    )
    assert.is(run.code, 130, run.stderr)
    const report = reportIn(run)
    assert.ok(report.ok && report.interrupted && report.seconds < 60)
    assert.is(report.verifiedBlocks, report.partitions.reduce((sum, { blocks }) => sum + blocks, 0)) // prettier-ignore
    assert.ok(report.accesses > 0)
    assert.equal(place.leftOver(), [])
  })
}

onlyNormal(test, 'SIGUSR2 shows the threads that hold and wait, and the load continues', async () => {
  using place = workplace()
  let sent = 0
  const run = await place.run(['load', '--seconds', '3', '--memory', '8MiB'], (output, kill) => {
    if (sent === 0 && output.includes('accesses/s')) kill((sent++, 'SIGUSR2'))
  })
  assert.is(run.code, 0)
  assert.is(sent, 1)
  assert.match(run.stderr, /^(thread \d+.* \(slot \d+\) (holds|waits for) |no thread holds)/m)
})

onlyNormal(test, 'a second SIGINT ends the command at once', async () => {
  using place = workplace()
  let sent = 0
  const run = await place.run(['load', '--seconds', '100', '--memory', '8MiB'], (output, kill) => {
    if (sent === 0 && output.includes('accesses/s')) kill((sent++, 'SIGINT'))
    if (sent === 1 && output.includes('Ctrl-C again')) kill((sent++, 'SIGINT'))
  })
  assert.is(run.code, 130)
  assert.is(sent, 2)
  assert.not.match(run.stdout, /verified after close/)
  assert.equal(place.leftOver(), [])
})

onlyNormal(test, 'SIGINT before the threads have started ends the command', async () => {
  using place = workplace()
  let sent = false
  const run = await place.run(['load', '--seconds', '100', '--json'], (output, kill) => {
    if (sent || !output.includes('temporary folder')) return
    sent = true
    kill('SIGINT')
  })
  assert.is(run.code, 130)
  assert.equal(place.leftOver(), [])
})

/** Runs an action once, when the load is under way. */
function onceUnderWay(act: () => void): (output: string) => void {
  let isDone = false
  return (output) => {
    if (isDone || !output.includes('accesses/s')) return
    isDone = true
    act()
  }
}

onlyNormal(test, 'blocks that another process changes in the file are found and named', async () => {
  using place = workplace()
  const path = place.file('file', 1 << 20)
  const spoil = onceUnderWay(() => {
    const fd = openSync(path, 'r+')
    for (let block = 0; block < 128; block++) writeSync(fd, Uint8Array.of(1, 2, 3), 0, 3, block * 8192)
    closeSync(fd)
  })
  const run = await place.run(['load', '--partition', path, '--seconds', '6', '--memory', '128KiB', '--reads', '1', '--pattern', 'scan'], spoil) // prettier-ignore
  assert.is(run.code, 1, run.stderr)
  const lines = run.stdout.split('\n').filter((line) => line.startsWith('WRONG'))
  assert.is(lines.length, 20)
  assert.match(lines[0]!, `WRONG ${path}, block `)
  assert.match(lines[0]!, /expected as before the load, checksum [0-9a-f]{8}; found no stamp, checksum [0-9a-f]{8}; by .* of thread \d/) // prettier-ignore
  assert.match(run.stdout, /\n\.\.\. and [\d,]+ more\n/)
  assert.match(run.stdout, /128 blocks of 1 file verified after close: 128 WRONG\.\n$/)
})

onlyNormal(
  test,
  'when a thread fails, the error is printed, and the command exits with code 1 and does not hang',
  async () => {
    using place = workplace()
    const path = place.file('file', 1 << 20)
    const shorten = onceUnderWay(() => {
      const fd = openSync(path, 'r+')
      ftruncateSync(fd, 0)
      closeSync(fd)
    })
    const run = await place.run(['load', '--partition', path, '--seconds', '100', '--memory', '128KiB', '--reads', '1', '--json'], shorten) // prettier-ignore
    assert.is(run.code, 1, run.stderr)
    const report = reportIn(run)
    assert.is(report.ok, false)
    assert.is(report.errors[0]?.code, 'ERR_DCACHE_READ_FAILED')
    assert.match(run.stderr, /dcache: block \d+ of '.*' could not be read.*\(ERR_DCACHE_READ_FAILED\)/)
    assert.is(report.verifiedBlocks, null)
    assert.not.match(run.stderr, /^ +at /m)
  },
)

test.run()
