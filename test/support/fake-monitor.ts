// A monitor of a cache as `dcache top` sees it: an HTTP server that answers `/stats` with what it is given, and samples
// of made-up numbers.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { CacheStats, GroupStats, LatencyStats, PartitionStats } from 'dcache'
import type { MonitorSample as Sample, MonitorThread as SampleThread } from '#dist/monitor/protocol.js'

export interface FakeMonitor extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, or the path of the socket. */
  readonly address: string
  readonly port: number
  /** How many samples were asked for. */
  readonly asked: () => number
  close(): Promise<void>
}

/** Listens on that port (0: a free one) or path, and answers with what `answer` returns: a sample, or a whole response. */
export async function fakeMonitor(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
  where: number | string = 0,
): Promise<FakeMonitor> {
  let asked = 0
  const server = createServer((request, response) => {
    asked++
    const body = request.url === '/stats' ? answer(request, response) : undefined
    if (response.headersSent || response.writableEnded) return
    if (body === undefined) response.writeHead(404).end('not here')
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
  })
  if (typeof where === 'string') server.listen(where)
  else server.listen(where, '127.0.0.1')
  await once(server, 'listening')
  const port = typeof where === 'string' ? 0 : (server.address() as AddressInfo).port
  const close = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  return {
    address: typeof where === 'string' ? where : `http://127.0.0.1:${port}`,
    port,
    asked: () => asked,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Latencies of that many calls of up to each of these times. */
export function latency(...buckets: readonly (readonly [upToMs: number, count: number])[]): LatencyStats {
  const count = buckets.reduce((sum, [, each]) => sum + each, 0)
  return {
    count,
    p50Ms: 0,
    p99Ms: 0,
    maxMs: 0,
    buckets: buckets.map(([upToMs, count]) => ({ upToMs, count })),
  }
}

export const partition = (more: Partial<PartitionStats> = {}): PartitionStats => ({
  index: 0, group: '', blocks: 1000, blockSize: 4096, hits: 0, misses: 0, reads: 0, writes: 0, overwrites: 0, cached: 10, dirty: 1, isFenced: false,
  diskReads: 0, diskReadBytes: 0, diskWrites: 0, diskWriteBytes: 0, fsyncs: 0, read: latency(), fsync: latency(), ...more,
}) // prettier-ignore

export const group = (more: Partial<GroupStats> = {}): GroupStats => ({
  index: 0, dirty: 1, dirtyLimit: 50, rounds: 0, failedRounds: 0, spares: { free: 2, total: 2 }, journal: undefined, ...more,
}) // prettier-ignore

export const thread = (slot: number, more: Partial<SampleThread> = {}): SampleThread => ({
  slot, threadId: slot, name: `thread ${slot}`, alive: true, holds: [], waits: [], holdCount: 0, waitCount: 0, ...more,
}) // prettier-ignore

export interface MadeUp extends Partial<Omit<Sample, 'stats'>> {
  readonly stats?: Partial<CacheStats>
}

/** A sample of a cache that has done nothing, except what is given. */
export function madeUp({ stats, ...more }: MadeUp = {}): Sample {
  return {
    version: 1,
    timeMs: 1_000_000,
    pid: 4711,
    name: 'program.mjs',
    threads: [],
    ...more,
    stats: {
      state: 'open', lookups: 0, hits: 0, misses: 0, reads: 0, writes: 0, size: 100, memoryBytes: 2 ** 20, dirty: 1, flushes: 0,
      stalls: 0, lookupTimeMs: 0, blockStalls: 0, diskReads: 0, diskReadBytes: 0, diskWrites: 0, diskWriteBytes: 0, rounds: 0,
      failedRounds: 0, evictions: 0, fences: 0, deaths: 0, prefetch: { loaded: 0, dropped: 0, unused: 0 },
      blocks: { free: 60, clean: 39, dirty: 1, absent: 0, held: 0 }, spares: { free: 2, total: 2 },
      waits: { frame: 0, latch: 0, dirtyLimit: 0, spare: 0, mutex: 0, timeMs: 0 }, writerStalls: latency(), threads: 3,
      groups: { '': group() }, partitions: { data: partition() }, traceEntries: 0,
      ...stats,
    },
  } // prettier-ignore
}
