// Each file has one writer: among processes, workers of node:cluster and concurrent calls of openCache. A call that fails
// removes what it created and leaves what belongs to others.

import { once } from 'node:events'
import fs, {
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import threads from 'node:worker_threads'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BlockCache, type CacheErrorCode, openCache, type PartitionOptions } from 'dcache'
import { assertRefusal, refusal, writeBlocks } from '../support/open.js'
import { packageUrl, runProgram } from '../support/program.js'
import { tempFolder } from '../support/temp.js'
import { onlyNormal } from '../support/size.js'

const SIZE = 65536

/** A partition whose file is created if it is missing. */
const created = (path: string): PartitionOptions => ({ path, blockSize: 4096, size: SIZE })

const open = (partitions: Record<string, PartitionOptions>): Promise<BlockCache> =>
  openCache({ memory: '64KiB', partitions })

/** Opens, writes, closes: then the file begins with `text`. */
async function fill(path: string, text: string): Promise<void> {
  await using cache = await open({ data: created(path) })
  await cache.partition('data').write(Buffer.from(text), 0)
}

const beginning = (path: string): string => readFileSync(path).toString('latin1', 0, 8)

/** A file that another cache of this process holds open until the end of the scope. */
async function takenIn(folder: string): Promise<{ partition: PartitionOptions } & AsyncDisposable> {
  const path = join(folder, 'taken')
  writeBlocks(path, 8, 4096)
  const partition = { path, blockSize: 4096 }
  const cache = await open({ taken: partition })
  return { partition, [Symbol.asyncDispose]: () => cache.close() }
}

const claims = suite('one writer')

onlyNormal(claims, 'a second worker of node:cluster is refused until the first is killed', async () => {
  using folder = tempFolder()
  writeBlocks(join(folder.path, 'shared'), 8, 4096)
  const program = `
    import cluster from 'node:cluster'
    import { once } from 'node:events'
    const partitions = { shared: { path: 'shared', blockSize: 4096 } }
    if (cluster.isPrimary) {
      const said = []
      const first = cluster.fork()
      said.push(...(await once(first, 'message')).slice(0, 1))
      const second = cluster.fork()
      said.push(...(await once(second, 'message')).slice(0, 1))
      // The primary process is treated like any other.
      said.push(await openCache({ memory: '64KiB', partitions }).then(() => 'opened', (error) => error.code))
      first.process.kill('SIGKILL')
      await once(first, 'exit')
      const third = cluster.fork()
      said.push(...(await once(third, 'message')).slice(0, 1))
      console.log(said.join(' '))
      for (const worker of [second, third]) worker.process.kill('SIGKILL')
      process.exit(0)
    }
    const answer = await openCache({ memory: '64KiB', partitions }).then(() => 'opened', (error) => error.code)
    process.send(answer)
    setInterval(() => {}, 1000)`
  const { out, err } = await runProgram(folder, program)
  assert.is(out, 'opened ERR_DCACHE_IN_USE ERR_DCACHE_IN_USE opened', err)
})

claims('a second copy of the package in a worker thread is refused', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  await using cache = await open({ data: created(path) })
  const text = `
    import { parentPort } from 'node:worker_threads'
    import { openCache } from ${JSON.stringify(`${packageUrl}?copy`)}
    const partitions = { data: { path: ${JSON.stringify(path)}, blockSize: 4096 } }
    parentPort.postMessage(await openCache({ memory: '64KiB', partitions }).then(() => 'opened', ({ code }) => code))`
  const worker = new threads.Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`))
  const [answer] = (await once(worker, 'message')) as [string]
  await once(worker, 'exit')
  assert.is(answer, 'ERR_DCACHE_IN_USE')
  assert.equal(cache.check(), [])
})

claims('a claim ends with the thread that made it', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  const text = `
    import { parentPort } from 'node:worker_threads'
    import { openCache } from ${JSON.stringify(packageUrl)}
    await openCache({ memory: '64KiB', partitions: { data: { path: ${JSON.stringify(path)}, blockSize: 4096, size: ${SIZE} } } })
    parentPort.postMessage('open')
    setInterval(() => {}, 1000)`
  const worker = new threads.Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`))
  await once(worker, 'message')
  await refusal('ERR_DCACHE_IN_USE', () => open({ data: created(path) }))
  await worker.terminate()
  await (await open({ data: created(path) })).close()
})

claims('a new file with the name of an open one is another file', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  const aside = join(folder.path, 'aside')
  await using first = await open({ data: created(path) })
  renameSync(path, aside)
  await using second = await open({ data: created(path) })
  await first.partition('data').write(Buffer.from('first...'), 0)
  await second.partition('data').write(Buffer.from('second..'), 0)
  await first.flush()
  await second.flush()
  assert.is(beginning(aside), 'first...')
  assert.is(beginning(path), 'second..')
  await refusal('ERR_DCACHE_IN_USE', () => open({ data: created(aside) }))
})

claims.run()

const races = suite('openCache at the same moment')

onlyNormal(
  races,
  'of calls of one process that create one file, one succeeds and the file stays',
  async () => {
    for (const others of [['a'], ['a', 'b', 'c'], []]) {
      using folder = tempFolder()
      const all = (names: string[]) =>
        Object.fromEntries(names.map((name) => [name, created(join(folder.path, name))]))
      const calls = [
        open(all([...others, 'shared'])),
        open(all(['shared'])),
        open(all(['shared', ...others])),
      ]
      const results = await Promise.allSettled(calls)
      const caches = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      for (const result of results)
        if (result.status === 'rejected') assertRefusal('ERR_DCACHE_IN_USE', result.reason)
      assert.is(caches.length, 1, `${caches.length} of 3 calls succeeded`)
      await caches[0]!.partition('shared').write(Buffer.from('precious'), 0)
      await caches[0]!.close()
      assert.is(beginning(join(folder.path, 'shared')), 'precious')
    }
  },
)

/** Until the end of the scope, runs what another process does between an openSync here and the next step. */
function afterOpen(meddle: (path: string, flags: number) => void): Disposable {
  const { openSync } = fs
  const replace = (by: typeof openSync) => {
    fs.openSync = by
    syncBuiltinESMExports()
  }
  replace((path, flags, mode) => {
    try {
      return openSync(path, flags, mode)
    } finally {
      meddle(String(path), Number(flags))
    }
  })
  return {
    [Symbol.dispose]: () => {
      replace(openSync)
    },
  }
}

const isCreation = (flags: number): boolean => (flags & constants.O_EXCL) !== 0

races('when the opened file is removed before it is claimed, another is created', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  writeFileSync(path, '')
  let times = 0
  {
    using _meddling = afterOpen((opened) => {
      if (opened === path && times++ === 0) rmSync(path)
    })
    await fill(path, 'precious')
  }
  assert.ok(times > 1)
  assert.is(beginning(path), 'precious')
})

races('when it is replaced before it is claimed, the new one is opened and the old one is free', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  const aside = join(folder.path, 'aside')
  writeFileSync(path, '')
  let times = 0
  {
    using _meddling = afterOpen((opened) => {
      if (opened !== path || times++ > 0) return
      renameSync(path, aside)
      writeFileSync(path, '')
    })
    await using cache = await open({ data: created(path) })
    await cache.partition('data').write(Buffer.from('precious'), 0)
    await fill(aside, 'old.....')
  }
  assert.is(beginning(path), 'precious')
  assert.is(beginning(aside), 'old.....')
})

races('when it is replaced repeatedly, the call fails and leaves nothing open or claimed', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  const names: string[] = []
  {
    using _meddling = afterOpen((opened, flags) => {
      if (opened !== path || isCreation(flags)) return
      names.push(join(folder.path, `aside-${names.length}`))
      if (existsSync(path)) renameSync(path, names.at(-1)!)
      writeFileSync(path, '')
    })
    await refusal('ERR_DCACHE_BAD_FILE', () => open({ data: created(path) }), 'another file')
  }
  await fill(path, 'free....')
})

races('when another process creates it first, that file is opened', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  let times = 0
  {
    using _meddling = afterOpen((opened) => {
      if (opened === path && times++ === 0) writeFileSync(path, 'of another')
    })
    await using taken = await takenIn(folder.path)
    await refusal('ERR_DCACHE_IN_USE', () => open({ data: created(path), taken: taken.partition }))
  }
  assert.is(readFileSync(path, 'utf8'), 'of another')
})

races('a file that this call created stays if another process has claimed and filled it', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  {
    using _meddling = afterOpen((opened, flags) => {
      if (isCreation(flags)) writeFileSync(opened, 'of another')
    })
    await using taken = await takenIn(folder.path)
    await refusal('ERR_DCACHE_IN_USE', () => open({ data: created(path), taken: taken.partition }))
  }
  assert.is(readFileSync(path, 'utf8'), 'of another')
})

onlyNormal(races, 'a process that fails does not remove the file of another that opened it', async () => {
  using folder = tempFolder()
  await using taken = await takenIn(folder.path)
  const LOOPS_MS = 3000
  // `loser` always fails after it has opened the file and must remove what it created; `winner` opens it when it can.
  const program = `
    import { existsSync, readFileSync, rmSync } from 'node:fs'
    const [role] = process.argv.slice(2)
    const taken = ${JSON.stringify(taken.partition)}
    const shared = { path: 'shared', blockSize: 4096, size: ${SIZE} }
    const partitions = role === 'loser' ? { shared, taken } : { shared }
    const counts = { opened: 0, refused: 0, lost: 0 }
    const endMs = performance.now() + ${LOOPS_MS}
    while (performance.now() < endMs || (role === 'winner' && counts.opened === 0)) {
      try {
        const cache = await openCache({ memory: '64KiB', partitions })
        await cache.partition('shared').write(Buffer.from('precious'), 0)
        await cache.flush()
        counts.opened++
        if (!existsSync('shared') || !readFileSync('shared').toString('latin1').startsWith('precious')) counts.lost++
        else rmSync('shared')
        await cache.close()
      } catch (error) {
        if (error.code !== 'ERR_DCACHE_IN_USE') throw error
        counts.refused++
      }
    }
    console.log(JSON.stringify(counts))`
  const run = async (role: string, name: string) => {
    const { out, err } = await runProgram(folder, program, { args: [role], name })
    assert.ok(out.startsWith('{'), err)
    return JSON.parse(out) as { opened: number; refused: number; lost: number }
  }
  const [loser, winner] = await Promise.all([run('loser', 'loser.mjs'), run('winner', 'winner.mjs')])
  assert.is(loser.opened, 0)
  assert.ok(winner.opened > 0, 'it never opened its file')
  assert.is(winner.lost, 0, `of ${winner.opened} files that were open`)
  console.log(`# two processes: ${winner.opened} opened, ${winner.refused} refused`)
})

races.run()

const failures = suite('an openCache that fails')

failures('a relative path is resolved in the working directory at the time of the call', async () => {
  using folder = tempFolder()
  await using taken = await takenIn(folder.path)
  for (const name of ['a', 'b']) mkdirSync(join(folder.path, name))
  writeFileSync(join(folder.path, 'b', 'new'), 'foreign')
  const before = process.cwd()
  try {
    process.chdir(join(folder.path, 'a'))
    const failing = open({ new: created('new'), taken: taken.partition })
    process.chdir(join(folder.path, 'b'))
    await refusal('ERR_DCACHE_IN_USE', () => failing)
    assert.is(readFileSync(join(folder.path, 'b', 'new'), 'utf8'), 'foreign')
    assert.not(existsSync(join(folder.path, 'a', 'new')))
    // The same holds for a later partition, and for a call that succeeds.
    process.chdir(join(folder.path, 'a'))
    const opening = open({ first: created('first'), second: created('second') })
    process.chdir(join(folder.path, 'b'))
    await (await opening).close()
    for (const name of ['first', 'second']) {
      assert.is(statSync(join(folder.path, 'a', name)).size, SIZE)
      assert.not(existsSync(join(folder.path, 'b', name)))
    }
  } finally {
    process.chdir(before)
  }
})

failures('a file that replaced a created one is left', async () => {
  using folder = tempFolder()
  await using taken = await takenIn(folder.path)
  const path = join(folder.path, 'new')
  const failing = open({ new: created(path), taken: taken.partition })
  // The file is created and claimed before the call returns its promise.
  renameSync(path, join(folder.path, 'aside'))
  writeFileSync(path, 'foreign')
  await refusal('ERR_DCACHE_IN_USE', () => failing)
  assert.is(readFileSync(path, 'utf8'), 'foreign')
})

failures('files are left alone in a folder that was replaced in the meantime', async () => {
  using folder = tempFolder()
  await using taken = await takenIn(folder.path)
  for (const name of ['a', 'b']) mkdirSync(join(folder.path, name))
  writeFileSync(join(folder.path, 'b', 'new'), 'foreign')
  const link = join(folder.path, 'link')
  symlinkSync('a', link)
  const failing = open({ new: created(join(link, 'new')), taken: taken.partition })
  rmSync(link)
  symlinkSync('b', link)
  await refusal('ERR_DCACHE_IN_USE', () => failing)
  assert.is(readFileSync(join(folder.path, 'b', 'new'), 'utf8'), 'foreign')
})

/** Until the end of the scope, Node cannot start threads. */
function withoutThreads(): Disposable {
  const { Worker } = threads
  const replace = (by: typeof Worker) => {
    threads.Worker = by
    syncBuiltinESMExports()
  }
  replace(function () {
    throw new Error('no thread is left')
  } as unknown as typeof Worker)
  return {
    [Symbol.dispose]: () => {
      replace(Worker)
    },
  }
}

failures('when no thread can be started, sizes are restored and created files are removed', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'short')
  writeFileSync(path, 'x'.repeat(1000))
  {
    using _none = withoutThreads()
    const partitions = { short: created(path), new: created(join(folder.path, 'new')) }
    await refusal('ERR_DCACHE_WORKER_DIED', () => open(partitions), 'no thread is left')
  }
  assert.is(readFileSync(path, 'utf8'), 'x'.repeat(1000))
  assert.not(existsSync(join(folder.path, 'new')))
  await fill(path, 'again...')
  assert.is(statSync(path).size, SIZE)
})

failures('when a second partition cannot be extended, the first is restored', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'short')
  writeFileSync(path, 'x'.repeat(1000))
  const huge = { path: join(folder.path, 'huge'), blockSize: 4096, size: 2 ** 52 }
  const partitions = { short: created(path), new: created(join(folder.path, 'new')), huge }
  await refusal('ERR_DCACHE_BAD_FILE', () => open(partitions), "'huge'")
  assert.is(statSync(path).size, 1000)
  for (const name of ['new', 'huge']) assert.not(existsSync(join(folder.path, name)))
})

failures.run()

const places = suite('where a file is created')

onlyNormal(places, 'it is created where symbolic links to a missing file lead', async () => {
  using folder = tempFolder()
  mkdirSync(join(folder.path, 'far', 'store'), { recursive: true })
  symlinkSync('far', join(folder.path, 'near'))
  const target = join(folder.path, 'far', 'target')
  const links: [string, string][] = [
    ['absolute', target],
    ['relative', 'far/target'],
    ['twice', 'relative'],
    ['through-a-folder', 'near/store/../target'],
  ]
  for (const [name, to] of links) {
    const path = join(folder.path, name)
    symlinkSync(to, path)
    await fill(path, 'target..')
    assert.is(beginning(target), 'target..', name)
    assert.ok(lstatSync(path).isSymbolicLink())
    rmSync(target)
  }
  await using taken = await takenIn(folder.path)
  for (const [name] of links) {
    const path = join(folder.path, name)
    await refusal('ERR_DCACHE_IN_USE', () => open({ new: created(path), taken: taken.partition }))
    assert.not(existsSync(target), name)
    assert.ok(lstatSync(path).isSymbolicLink())
  }
})

const NOWHERE: [string, (folder: string) => string, CacheErrorCode][] = [
  ['a link into a folder that is missing', (folder) => join(folder, 'to-missing'), 'ERR_DCACHE_BAD_FILE'],
  ['a link to itself', (folder) => join(folder, 'loop'), 'ERR_DCACHE_BAD_FILE'],
  ['a folder', (folder) => folder, 'ERR_DCACHE_BAD_FILE'],
  ['a link to a folder', (folder) => join(folder, 'to-folder'), 'ERR_DCACHE_BAD_FILE'],
  ['below a file', (folder) => join(folder, 'taken', 'new'), 'ERR_DCACHE_BAD_FILE'],
  ['a name that is too long', (folder) => join(folder, 'x'.repeat(300)), 'ERR_DCACHE_BAD_FILE'],
  ['a name with a slash at its end', (folder) => `${join(folder, 'new')}/`, 'ERR_DCACHE_BAD_FILE'],
  ['a device that is always full', () => '/dev/full', 'ERR_DCACHE_BAD_FILE'],
  ['a terminal or none', () => '/dev/tty', 'ERR_DCACHE_BAD_FILE'],
]

for (const [title, pathIn, code] of NOWHERE) {
  places(`${title} is refused, and nothing is created`, async () => {
    using folder = tempFolder()
    writeFileSync(join(folder.path, 'taken'), '')
    symlinkSync('missing/new', join(folder.path, 'to-missing'))
    symlinkSync('loop', join(folder.path, 'loop'))
    symlinkSync('.', join(folder.path, 'to-folder'))
    await refusal(code, () => open({ first: created(join(folder.path, 'first')), bad: created(pathIn(folder.path)) }), "'bad'") // prettier-ignore
    for (const name of ['first', 'new', 'missing']) assert.not(existsSync(join(folder.path, name)), name)
  })
}

places('a new file is long enough for two partitions in it, with the later one named first', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  const partitions = {
    later: { ...created(path), offset: SIZE },
    earlier: created(path),
  }
  await using cache = await open(partitions)
  assert.is(statSync(path).size, 2 * SIZE)
  await cache.partition('later').read(new Uint8Array(4096), SIZE - 4096)
})

places('a file that has grown in the meantime is not cut', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  writeFileSync(path, 'x')
  truncateSync(path, 10 * SIZE)
  await fill(path, 'longer..')
  assert.is(statSync(path).size, 10 * SIZE)
})

places.run()
