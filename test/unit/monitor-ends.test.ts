// How a monitor ends: with its cache, with its thread, by close; and that it holds up no program.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { attachCache, openCache } from 'dcache'
import type * as monitorModule from 'dcache/monitor'
import { monitor } from 'dcache/monitor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ask, Stream } from '../support/monitor.js'
import { refusal, startThread, withCache } from '../support/open.js'
import { packageUrl, runProgram } from '../support/program.js'
import { tempFolder } from '../support/temp.js'

const ends = suite('ends')

ends('with the cache: viewers get a last sample and event, and nothing listens', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'data')
  const cache = await openCache({
    memory: '1MiB',
    partitions: { data: { path, blockSize: 512, size: '64KiB' } },
  })
  const onPort = await monitor(cache, { port: 0 })
  const onSocket = await monitor(cache, { socket: join(folder.path, 's') })
  using one = new Stream(onPort.url)
  using other = new Stream(onSocket.url)
  await one.has(1)
  await other.has(1)
  await cache.close()
  for (const stream of [one, other]) {
    await stream.ends()
    await stream.hears('closed')
    assert.is(stream.samples.at(-1)!.stats.state, 'closed')
  }
  await onSocket.close()
  assert.not(existsSync(join(folder.path, 's')))
  const isThere = await ask(onPort.url, '/stats').then(() => true, () => false) // prettier-ignore
  assert.not(isThere)
  await refusal('ERR_DCACHE_CLOSED', () => monitor(cache, { port: 0 }))
})

ends('in an attached thread, when it detaches or the cache is closed', () =>
  withCache({}, async ({ cache }) => {
    for (const how of ['detaches', 'stays'] as const) {
      const entry = new URL('../../../dist/monitor/index.js', import.meta.url).href
      const thread = startThread(cache.handle, { entry, how }, async ({ client, args, patienceMs }) => {
        const { monitor } = (await import(args.entry)) as typeof monitorModule
        const shown = await monitor(client, { port: 0 })
        const { status } = await fetch(`${shown.url}stats`)
        if (args.how === 'stays') return status
        client.detach()
        for (const endMs = Date.now() + patienceMs; Date.now() < endMs;) {
          const isThere = await fetch(`${shown.url}stats`).then(() => true, () => false) // prettier-ignore
          if (!isThere) return status
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        return 0
      })
      assert.is(await thread.result, 200)
    }
  }),
)

ends('by close, which may be called again, while requests and viewers are there', () =>
  withCache({}, async ({ cache }) => {
    const shown = await monitor(cache, { port: 0 })
    using stream = new Stream(shown.url)
    await stream.has(1)
    const [first, second] = [shown.close(), shown.close()]
    assert.is(first, second)
    await first
    await stream.ends()
    // The same cache may have several, one after the other or at once.
    await using a = await monitor(cache, { port: 0 })
    await using b = await monitor(cache, { port: 0 })
    assert.not.equal(a.url, b.url)
    assert.is(attachCache(cache.handle), cache)
  }),
)

ends('a program that has nothing else to do ends, with a viewer', async () => {
  using folder = tempFolder()
  const entry = packageUrl.replace('index.js', 'monitor/index.js')
  const { out, how, err } = await runProgram(
    folder,
    `import { monitor } from ${JSON.stringify(entry)}
     import { get } from 'node:http'
     const cache = await openCache({ memory: '1MiB', partitions: { a: { path: 'a', blockSize: 512, size: '64KiB' } } })
     const { url } = await monitor(cache, { port: 0 })
     const response = await new Promise((resolve) => get(url + 'events', resolve))
     await new Promise((resolve) => response.once('data', resolve))
     response.socket.unref()
     console.log('seen')`,
  )
  assert.is(how, 0, err)
  assert.is(out, 'seen')
})

ends.run()
