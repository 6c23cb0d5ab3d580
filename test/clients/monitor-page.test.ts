// @deadline 400
// The page of the monitor in Chromium: over a running load, through failures and ends, in narrow windows.

import { strict } from 'node:assert'
import { spawnSync } from 'node:child_process'
import { monitor, type MonitorSample, type MonitorSpan } from 'dcache/monitor'
import { sampleOf } from '#dist/monitor/sample.js'
import { type Browser, chromium, type Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { failWrites } from '../support/failing-file.js'
import { canRun, programs } from '../support/left-out.js'
import { type Bench, Gates, PATIENCE_MS, refusal, settled, startThread, withCache } from '../support/open.js'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const found = Object.entries(programs(...NAMES)).find(([, isThere]) => isThere)?.[0]
/** Text that would be HTML, and a character that turns the direction of a text. */
const STRANGE = '<img src=x onerror=alert(1)><script>"\u202e'

interface Shown {
  readonly page: Page
  readonly url: string
  /** Waits until the text of an element is as wanted. */
  readonly reads: (selector: string, wanted: RegExp) => Promise<void>
  readonly textOf: (selector: string) => Promise<string>
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Opens the page; afterwards nothing may have gone wrong in it, and no request may have left for another place. */
async function withPage(url: string, body: (shown: Shown) => Promise<void>, width = 1200): Promise<void> {
  const wrong: string[] = []
  const context = await browser!.newContext({ viewport: { width, height: 900 } })
  try {
    const page = await context.newPage()
    page.on('console', (message) => {
      // The connection that a test ends itself.
      const isNetwork = message.text().includes('net::ERR_')
      if (message.type() === 'error' && !isNetwork) wrong.push(message.text())
    })
    page.on('pageerror', (error) => wrong.push(error.stack ?? error.message))
    page.on('dialog', (dialog) => wrong.push(`a dialog: ${dialog.message()}`))
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith('data:')) wrong.push(request.url())
    })
    await page.addInitScript(
      `document.addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective, e.blockedURI))`,
    )
    await page.goto(url)
    const textOf = async (selector: string) => (await page.textContent(selector)) ?? ''
    await body({
      page,
      url,
      textOf,
      async reads(selector, wanted) {
        await until(`${selector} to read ${String(wanted)}`, async () => wanted.test(await textOf(selector)))
      },
    })
    assert.not.match(await page.innerText('body'), /NaN|undefined|null|Infinity|\[object/)
    strict.deepEqual(wrong, [])
  } finally {
    await context.close()
  }
}

/** Reads and changes blocks of two partitions until the thread is terminated. */
const load = ({ cache }: Bench) =>
  startThread(
    cache.handle,
    ['data', STRANGE],
    ({ client, args }) => {
      const words = new Int32Array(new SharedArrayBuffer(4))
      const partitions = args.map((name) => client.partition(name))
      for (let i = 0; ; i++) {
        const partition = partitions[i % 2]!
        if (i % 5 === 0) partition.writeSync(new Uint8Array(512), (i % 40) * 512)
        else partition.acquireSync((i * 7) % 64, 'read').release()
        if (i % 50 === 0) Atomics.wait(words, 0, 0, 5)
      }
    },
    { name: 'the load <b>' },
  )

let browser: Browser | undefined
const page = suite('the page of the monitor')

page.before(async () => {
  browser = await chromium.launch({ executablePath: programPath(found!), chromiumSandbox: false })
})
page.after(() => browser?.close())

page('shows a running load, and agrees with stats when it rests', () =>
  withCache({ cached: 64, partitions: { data: {}, [STRANGE]: {} }, flushDelayMs: 1e9 }, async (bench) => {
    const { cache } = bench
    await using shown = await monitor(cache, { port: 0, name: STRANGE })
    const { worker } = load(bench)
    await withPage(shown.url, async ({ page, reads, textOf }) => {
      await reads('#banner', /^Open\./)
      await reads('#figures', /Lookups[\d.]+( k)?\/s/)
      await reads('#plot-hits + ul', /hits of lookups [\d.]+ % \([\d.]+ % to [\d.]+ %\)/)
      await reads('#threads', /the load <b>/)
      const first = await textOf('#plot-lookups + ul')
      await until('other figures', async () => (await textOf('#plot-lookups + ul')) !== first)
      assert.match(await textOf('h1'), '<img src=x onerror=alert(1)><script>"\\u{202e}')
      await worker.terminate()
      await reads('#events', /a thread ended without detach/)
      await settled(cache)
      const { dirty, size, partitions } = cache.stats()
      await reads('#figures', new RegExp(`Dirty blocks${dirty}Capacity in blocks${size}Memory`))
      const { cached } = partitions['data']!
      await reads('#partitions', new RegExp(`data.*${cached} \\(`))
      await reads('#pool-text', new RegExp(`^${size} frames: .*clean`))
      await reads('#groups', new RegExp(`${dirty} of `))
      assert.is(await page.locator('#partitions tbody tr').count(), 2)
      await until('as many threads', async () => {
        return (await page.locator('#threads tbody tr').count()) === cache.threads().length
      })
      assert.is(await page.locator('img').count(), 0)
    })
    await cache.flush()
  }),
)

page('says what is fenced and what to do, and shows the events', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, arena, paths }) => {
    await using shown = await monitor(cache, { port: 0 })
    await withPage(shown.url, async ({ reads }) => {
      await reads('#banner', /^Open\./)
      using failing = failWrites(arena, 0, paths['data']!)
      await data.write(new Uint8Array(512), 0)
      await settled(cache)
      await refusal('ERR_DCACHE_FENCED', () => cache.flush())
      await reads('#banner', /^Fenced: .*'data' is not written.*retry\(\)/)
      await reads('#events', /fenced: a write.*partition data.*EBADF/)
      await reads('#groups', /retry\(\) of data/)
      failing.repair()
      await cache.retry('data')
      await reads('#banner', /^Open\./)
      await reads('#events', /restored/)
    })
  }),
)

page('shows waits and cycles of threads', () =>
  withCache({}, async ({ cache, data }) => {
    await using shown = await monitor(cache, { port: 0 })
    const guard = await data.acquire(1, 'modify')
    const gates = new Gates()
    const { result } = startThread(
      cache.handle,
      0,
      ({ client, open, patienceMs }) => {
        const partition = client.partition('data')
        const own = partition.acquireSync(2, 'modify')
        open(0)
        partition.acquireSync(1, 'modify', { timeoutMs: patienceMs }).release()
        own.release()
      },
      { gates, name: 'other' },
    )
    await gates.opened(0)
    const late = data.acquire(2, 'modify')
    late.catch(() => undefined) // if the test fails before it is awaited
    await withPage(shown.url, async ({ reads }) => {
      await reads('#threads', /in a cycle of waits/)
      await reads('#banner', /threads wait for each other: slots 0, \d+\./)
      await reads('#threads', /block 1 of data to modify.*held by slot 0, in the cycle of slots/)
    })
    guard.release()
    await result
    ;(await late).release()
  }),
)

page('pauses, goes on, and tells the end', () =>
  withCache({}, async ({ cache }) => {
    const shown = await monitor(cache, { port: 0 })
    await withPage(shown.url, async ({ page, reads }) => {
      await reads('#banner', /^Open\./)
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await reads('#banner', /^Paused at \d\d:\d\d:\d\d/)
      assert.is(await page.getAttribute('#pause', 'aria-pressed'), 'true')
      await page.click('#pause')
      await reads('#banner', /^Open\./)
      await shown.close()
      await reads('#banner', /^Connection lost at/)
      assert.is(await page.getAttribute('#banner', 'data-level'), 'bad')
    })
  }),
)

page('can be used by keyboard and by a screen reader, and changes its colours by radio buttons', () =>
  withCache({}, async ({ cache, data }) => {
    for (let block = 0; block < 8; block++) (await data.acquire(block, 'read')).release()
    await using shown = await monitor(cache, { port: 0 })
    await withPage(shown.url, async ({ page, reads }) => {
      await reads('#pool-text', /frames/)
      const stops: string[] = []
      for (let i = 0; i < 3; i++) {
        await page.keyboard.press('Tab')
        stops.push(await page.evaluate('document.activeElement.id || document.activeElement.name'))
      }
      assert.equal(stops, ['pause', 'colour', 'pool'])
      await page.keyboard.press('ArrowRight')
      await reads('#pool-cell', /^Square 1, 1 frame: /)
      for (const [colour, text] of [
        ['partition', /data/],
        ['heat', /80 to 100 %/],
        ['state', /dirty/],
      ] as const) {
        // prettier-ignore
        await page.check(`input[value=${colour}]`)
        await reads('#pool-legend', text)
      }
      const bare = `[...document.querySelectorAll('table')].filter((table) => !table.caption).length`
      assert.is(await page.locator('th:not([scope])').count(), 0)
      assert.is(await page.evaluate(bare), 0)
      assert.is(await page.evaluate(`document.querySelectorAll('[aria-live]').length`), 1)
      assert.is(await page.evaluate(`document.querySelectorAll('section:not([aria-labelledby])').length`), 0)
    })
  }),
)

page('fits windows from 320 to 1600 pixels', () =>
  withCache({ partitions: { data: {}, ['x'.repeat(200)]: {} } }, async ({ cache, data }) => {
    const guard = await data.acquire(0, 'modify')
    await using shown = await monitor(cache, { port: 0, name: 'y'.repeat(200) })
    for (const width of [320, 400, 700, 1000, 1600])
      await withPage(
        shown.url,
        async ({ page, reads }) => {
          await reads('#pool-text', /frames/)
          await reads('#threads', /to modify/)
          const wide = await page.evaluate('document.documentElement.scrollWidth')
          assert.ok(Number(wide) <= width, `${String(wide)} of ${width}`)
        },
        width,
      )
    guard.release()
  }),
)

page('shows a scan in the working set, and the rounds of the flight recorder', () =>
  withCache(
    {
      cached: 64,
      partitions: { data: {}, scanned: { blocks: 500 } },
      flushDelayMs: 1e9,
      traceEntries: 1024,
      traceBlocks: false,
    },
    async ({ cache, data }) => {
      const read = async (name: string, block: number) =>
        (await cache.partition(name).acquire(block, 'read')).release()
      for (let i = 0; i < 120; i++) await read('data', i % 40)
      await using shown = await monitor(cache, { port: 0 })
      await withPage(shown.url, async ({ page, reads }) => {
        await reads('#partitions', /data.*?\D40 \(.*scanned.*?\D0 \(/)
        for (let block = 0; block < 500; block++) await read('scanned', block)
        const { cached } = cache.stats().partitions['scanned']!
        assert.ok(cached > 0)
        await reads('#partitions', new RegExp(`scanned.*?\\D${cached} \\(`))
        await data.write(new Uint8Array(2048), 0)
        await settled(cache)
        await cache.flush()
        await reads('#rounds', /1 round \(the longest .*, 1 write \(the longest .*, 1 fsync/)
        assert.is(await page.locator('#rounds svg.rounds rect').count(), 4, 'and a stage')
      })
    },
  ),
)

page('draws rounds when they are recorded', () =>
  withCache({}, async ({ cache }) => {
    await using shown = await monitor(cache, { port: 0 })
    const base = await sampleOf(cache, 'x')
    const common = { slot: 2, group: '', startMs: base.timeMs - 3000, durationMs: 200 }
    const spans: MonitorSpan[] = [
      { ...common, point: 'work.round', durationMs: 900 },
      { ...common, point: 'work.stage', writeClass: 'data' },
      { ...common, point: 'disk.write', partition: STRANGE, writeClass: 'data', blocks: 12 },
      {
        ...common,
        point: 'disk.fsync',
        partition: STRANGE,
        writeClass: 'directory',
        startMs: base.timeMs - 2000,
      },
    ]
    const sample: MonitorSample = { ...base, spans }
    await withPage(shown.url, async ({ page, reads }) => {
      await reads('#rounds', /Rounds are not recorded.*traceEntries/)
      await page.route('**/events', (route) =>
        route.fulfill({
          contentType: 'text/event-stream',
          body: `event: sample\ndata: ${JSON.stringify(sample)}\n\n`,
        }),
      )
      await page.reload()
      await reads('#rounds', /1 round \(the longest 900 ms\), 1 write \(the longest 200 ms\), 1 fsync/)
      assert.is(await page.locator('#rounds svg.rounds rect').count(), spans.length)
      await reads('#rounds .legend', /class data.*class directory/)
    })
  }),
)

/** Where the shell finds a program. */
function programPath(name: string): string {
  return spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
}

if (canRun('the page of the monitor', { chromium: found !== undefined })) page.run()
