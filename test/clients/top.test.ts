// @deadline 400
// dcache top as a user runs it: as text, as JSON, and in a terminal, which must be as it was after each way out.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { TopModel } from '#dist/cli/top-report.js'
import { fakeMonitor, madeUp, partition } from '../support/fake-monitor.js'
import { canRun, programs } from '../support/left-out.js'
import { projectRoot } from '../support/project.js'
import { openTmux, type Tmux } from '../support/tmux.js'

const top = suite('dcache top')
const command = join(projectRoot, 'dist/cli/main.js')

/** A monitor of a cache whose counters grow by 1000 lookups for each second of its own clock. */
function growing(where?: number, pid = 4711) {
  let n = 0
  const names = ['alpha', 'beta', ...Array.from({ length: 28 }, (_, i) => `p${String(i).padStart(2, '0')}`)]
  return fakeMonitor(() => {
    n++
    const partitions = Object.fromEntries(
      names.map((name, index) => [
        name,
        partition({ index, hits: 900 * n * (names.length - index), misses: 100 * n }),
      ]),
    )
    const stats = { lookups: 1000 * n, hits: 900 * n, misses: 100 * n, partitions }
    return madeUp({ timeMs: 1000 * n, pid, name: 'shop.mjs', stats })
  }, where)
}

function run(...args: string[]) {
  const child = spawn(process.execPath, [command, 'top', ...args], { timeout: 120_000 })
  let [out, err] = ['', '']
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (err += data.toString()))
  const ended = new Promise<{ out: string; err: string; code: number | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      resolve({ out, err, code })
    })
  })
  return { child, ended, out: () => out }
}

top('--once, and a pipe, print one text after two samples', async () => {
  await using monitor = await growing()
  for (const args of [['--once'], []]) {
    const { out, err, code } = await run(monitor.address, '--interval', '0.1', ...args).ended
    assert.is(code, 0, err)
    assert.match(out, /^shop\.mjs {2}pid 4711 {2}open/)
    assert.match(out, /^lookups\/s +1k /m)
    assert.match(out, /^hits +90\.0% /m)
    assert.match(out, /^alpha +27\.1k +99\.6%/m)
    assert.match(out, /THREADS/)
    assert.not.match(out, /\x1b|NaN/) // eslint-disable-line no-control-regex
  }
  assert.is(monitor.asked(), 4)
})

top('--json prints one object a line, until it is interrupted', async () => {
  await using monitor = await growing()
  const once = await run(monitor.address, '--interval', '0.1', '--json', '--once').ended
  assert.is(once.code, 0)
  const model = JSON.parse(once.out) as TopModel
  assert.is(model.perSecond.lookups, 1000)
  assert.is(model.hitRatio, 0.9)
  const { child, ended, out } = run(monitor.address, '--interval', '0.1', '--json')
  child.stdout.on('data', () => {
    if (out().split('\n').length > 3) child.kill('SIGINT')
  })
  const many = await ended
  assert.is(many.code, 130)
  const lines = many.out.trim().split('\n').map((line) => JSON.parse(line) as TopModel) // prettier-ignore
  assert.ok(lines.length >= 3)
  for (const line of lines) assert.is(line.perSecond.lookups, 1000)
})

top('errors: wrong usage is 2, no monitor is 1', async () => {
  const wrong = [[], ['https://localhost:1'], ['70000'], ['7000', '--interval', '0'], ['7000', '--sort', 'x']]
  for (const args of wrong) {
    const { err, code } = await run(...args).ended
    assert.is(code, 2, args.join(' '))
    assert.match(err, /error:/)
  }
  const monitor = await growing()
  await monitor.close()
  const gone = await run(monitor.address).ended
  assert.is(gone.code, 1)
  assert.match(gone.err, /^dcache: nothing listens at/)
  await using other = await fakeMonitor(() => ({ hello: 1 }))
  const foreign = await run(other.address).ended
  assert.is(foreign.code, 1)
  assert.match(foreign.err, /not the monitor of a dcache/)
})

/** The terminal is that of the shell again: its own screen, a cursor, lines and echo. */
async function assertRestored(tmux: Tmux, line: string): Promise<void> {
  await tmux.until(/before the screen/)
  assert.is(await tmux.tell('#{alternate_on} #{cursor_flag} #{wrap_flag}'), '0 1 1')
  await tmux.line(
    `stty -a | tr ' ' '\\n' | grep -E '^-?(icanon|echo|isig|opost);?$' | tr -d '\\n'; echo ' ${line}'`,
  )
  await tmux.until(new RegExp(`^opostisigicanonecho ${line}$`, 'm'))
}

if (canRun('dcache top in a terminal', programs('tmux'))) {
  const start = async (tmux: Tmux, address: string) => {
    await tmux.line('echo before the screen')
    await tmux.until(/^before the screen$/m)
    // The shell becomes the command, so its process id is known.
    const script = `echo $$ >${join(tmux.folder, 'pid')}; exec ${process.execPath} ${command} top ${address} --interval 0.2`
    await tmux.line(`sh -c '${script}'; echo code $?`)
    return tmux.until(/rates over 1\.0 s|lookups\/s +1k/)
  }

  for (const [columns, rows] of [
    [80, 24],
    [120, 40],
  ] as const)
    // prettier-ignore
    top(`${columns} columns: the screen, its keys, other sizes, and the way out`, async () => {
      await using monitor = await growing()
      await using tmux = await openTmux(columns, rows)
      const first = await start(tmux, monitor.address)
      assert.match(first, /^shop\.mjs {2}pid 4711 {2}open/)
      assert.match(first, /^lookups\/s +1k /m)
      assert.match(first, /^alpha +27\.1k +99\.6%/m)
      assert.match(first, /^q quit/m)
      assert.not.match(first, /before the screen/)
      assert.is(await tmux.tell('#{alternate_on} #{cursor_flag}'), '1 0')
      await tmux.press('s', 's', 's', 's', 's', 's', 's')
      await tmux.until(/by name/)
      await tmux.press('r')
      await tmux.until(/^p27 .*\n^p26 /m)
      await tmux.press('NPage', 'NPage', 'NPage')
      await tmux.until(/^alpha /m)
      await tmux.press('Tab')
      await tmux.until(/THREADS none/)
      await tmux.press('?')
      await tmux.until(/Any key goes back/)
      await tmux.press('Up', 't')
      await tmux.until(/PARTITIONS/)
      await tmux.press('Space')
      await tmux.until(/PAUSED/)
      await tmux.press('Space', '+')
      await tmux.until(/interval 0\.25 s/)
      await tmux.resize(40, 12)
      const narrow = await tmux.until(/^q quit {2}\? help {2}t threads {2}s sort$/m)
      assert.match(narrow, /^lookups\/s +1k/m)
      assert.ok(narrow.trimEnd().split('\n').every((line) => line.length <= 40)) // prettier-ignore
      await tmux.resize(columns, rows)
      await tmux.until(/fsync p99/)
      await tmux.press('q')
      await tmux.until(/^code 0$/m)
      await assertRestored(tmux, 'one')
    })

  for (const key of ['C-c', 'C-d'])
    top(`${key} quits`, async () => {
      await using monitor = await growing()
      await using tmux = await openTmux(80, 24)
      await start(tmux, monitor.address)
      await tmux.press(key)
      await tmux.until(/^code 0$/m)
      await assertRestored(tmux, 'two')
    })

  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const)
    // prettier-ignore
    top(`${signal} ends it, and the terminal is restored`, async () => {
      await using monitor = await growing()
      await using tmux = await openTmux(80, 24)
      await start(tmux, monitor.address)
      process.kill(Number(readFileSync(join(tmux.folder, 'pid'), 'utf8')), signal)
      await tmux.until(new RegExp(`^code ${code}$`, 'm'))
      await assertRestored(tmux, 'three')
    })

  top('Ctrl-Z gives the terminal back until fg', async () => {
    await using monitor = await growing()
    await using tmux = await openTmux(80, 24)
    await start(tmux, monitor.address)
    await tmux.press('C-z')
    await tmux.until(/Stopped/)
    await assertRestored(tmux, 'three')
    await tmux.line('fg')
    await tmux.until(/^q quit/m)
    assert.is(await tmux.tell('#{alternate_on} #{cursor_flag}'), '1 0')
    await tmux.press('q')
    await tmux.until(/^three$|before the screen/m)
    await assertRestored(tmux, 'four')
  })

  top('a monitor that goes away: the figures stay, and it connects again', async () => {
    await using first = await growing()
    await using tmux = await openTmux(100, 24)
    await start(tmux, first.address)
    await first.close()
    const lost = await tmux.until(/connection lost/)
    assert.match(lost, /^lookups\/s +1k /m)
    await using _ = await growing(first.port, 4712)
    const again = await tmux.until(/pid 4712/)
    assert.not.match(again, /connection lost/)
    await tmux.until(/^lookups\/s +1k /m)
    await tmux.press('q')
    await tmux.until(/^code 0$/m)
    await assertRestored(tmux, 'five')
  })
}

top.run()
