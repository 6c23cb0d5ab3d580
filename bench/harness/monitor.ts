/**
 * The monitor of a benchmark's caches, for `--monitor`. Of those that this thread has open it shows the oldest; when that
 * is closed, the next one, at the same port. It takes time of the thread that measures nothing, and of the machine: figures
 * of a run with viewers are not to be compared with others.
 */
import type { BlockCache } from 'dcache'
import { monitor, type Monitor, type MonitorOptions } from 'dcache/monitor'
import { subscribe } from 'node:diagnostics_channel'

interface Message {
  readonly cache: BlockCache
}

/** `said` is told the URL, each time that it is another one, and why there is no monitor. */
export function monitorCaches(
  options: MonitorOptions,
  said: (url: string) => void,
  failed: (why: string) => void,
): void {
  const open = new Set<BlockCache>()
  let place = options
  let told: string | undefined
  let isBusy = false

  async function show(): Promise<void> {
    if (isBusy) return
    isBusy = true
    for (const cache of open) {
      let shown: Monitor
      try {
        shown = await monitor(cache, { ...place, name: 'dcache bench' })
      } catch (error) {
        // It may have been closed in the meantime.
        if (!open.has(cache)) continue
        failed((error as Error).message)
        return
      }
      if (place.port !== undefined) place = { ...place, port: Number(new URL(shown.url).port) }
      if (shown.url !== told) said(shown.url)
      told = shown.url
      await isClosed(cache)
      open.delete(cache)
      await shown.close()
    }
    isBusy = false
  }

  const waiting = new Map<BlockCache, () => void>()
  const isClosed = (cache: BlockCache) =>
    open.has(cache) ? new Promise<void>((resolve) => waiting.set(cache, resolve)) : Promise.resolve()
  subscribe('dcache:opened', (message) => {
    open.add((message as Message).cache)
    void show()
  })
  subscribe('dcache:closed', (message) => {
    const { cache } = message as Message
    open.delete(cache)
    waiting.get(cache)?.()
    waiting.delete(cache)
  })
}
