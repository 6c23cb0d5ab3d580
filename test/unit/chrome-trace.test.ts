// The flight recorder as a Chrome trace: its form, checked strictly, the names in it, overlapping spans, and the last seconds.

import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { chromeTrace, type ChromeTraceEvent } from '#dist/monitor/index.js'
import type { CacheClient, TraceRecord } from 'dcache'
import { inThread, refusalNow, until, withCache } from '../support/open.js'
import { traceFaults } from '../support/trace-events.js'

type Timed = Exclude<ChromeTraceEvent, { ph: 'M' }>

const timed = (events: readonly ChromeTraceEvent[]): Timed[] =>
  events.filter((event): event is Timed => event.ph !== 'M')

const started = ({ ph }: Timed): boolean => ph !== 'e'

/** A client with these records, and two threads, groups and partitions. */
function clientOf(records: readonly Partial<TraceRecord>[]): CacheClient {
  const whole = records.map((record) => ({
    point: 'disk.fsync', slot: 0, partition: 0, block: 0, value: 0, atMs: 0, durationMs: 0, ...record,
  })) // prettier-ignore
  return {
    trace: () => whole.sort((a, b) => a.atMs - b.atMs),
    threads: () => [
      { slot: 0, threadId: 0, name: 'owner', alive: true },
      { slot: 5, threadId: 9, name: '', alive: true },
    ],
    stats: () => ({
      partitions: { 'da"ta\n': { index: 0, group: '7' }, log: { index: 1, group: 'x' } },
      groups: { 7: { index: 1 }, x: { index: 0, journal: {} } },
    }),
    handle: { writeOrder: ['data', 'trailer'] },
  } as unknown as CacheClient
}

const EPOCH_MS = 1_800_000_000_000

/** A record that began and ended at these milliseconds. */
const span = (point: string, from: number, to: number, more: Partial<TraceRecord> = {}): Partial<TraceRecord> => ({
  point,
  atMs: EPOCH_MS + from,
  durationMs: Math.round((to - from) * 1000) / 1000,
  ...more,
}) // prettier-ignore

function eventsOf(records: readonly Partial<TraceRecord>[], seconds?: number): Timed[] {
  const trace = chromeTrace(clientOf(records), { seconds })
  assert.equal(traceFaults(JSON.parse(JSON.stringify(trace))), [])
  return timed(trace.traceEvents)
}

const format = suite('the checker')

format('finds what is wrong', () => {
  const good = chromeTrace(clientOf([span('block.load', 0, 4), span('disk.read', 1, 3)]))
  assert.equal(traceFaults(good), [])
  const wrong: [(events: Record<string, unknown>[]) => void, RegExp][] = [
    [(events) => delete events.at(-1)!['ts'], /ts/],
    [(events) => delete events.at(-1)!['dur'], /dur/],
    [(events) => (events.at(-1)!['dur'] = 1.5), /dur/],
    [(events) => (events.at(-1)!['dur'] = 90_000), /overlaps/],
    [(events) => (events.at(-1)!['more'] = 1), /it has more/],
    [(events) => (events.at(-1)!['ph'] = 'B'), /phase/],
    [(events) => events.reverse(), /metadata|before/],
    [(events) => events.splice(1, 2), /no name/],
    [
      (events) => events.push({ ...events.at(-1)!, dur: undefined, ph: 'e', id: '0x1' }),
      /it has dur|of none/,
    ],
  ]
  for (const [change, what] of wrong) {
    const trace = structuredClone(good) as unknown as { traceEvents: Record<string, unknown>[] }
    change(trace.traceEvents)
    assert.match(traceFaults(trace).join('; '), what)
  }
})

format.run()

test('what nests is a stack, with the names of what it is about', () => {
  const events = eventsOf([
    span('disk.read', 1.5, 2.25, { slot: 5, block: 7, value: 4096 }),
    span('block.load', 1.001, 2.25, { slot: 5, block: 7, value: 1 }),
    span('block.acquire', 3, 3, { slot: 5, block: 7, value: 1 }),
    span('block.release', 4, 4, { slot: 5, block: 7, value: 2, partition: 9 }),
    span('wait.latch', 5, 6, { slot: 5, block: 2 ** 33, value: 0, partition: 1 }),
    span('wait.latch', 7, 8, { slot: 5, value: -1 }),
  ])
  assert.equal(
    events.map(({ name, ph, tid, cat, args }) => ({ name, ph, tid, cat, args })),
    [
      { name: 'block.load', ph: 'X', tid: 5, cat: 'block', args: { partition: 'da"ta\n', block: 7, blocks: 1 } },
      { name: 'disk.read', ph: 'X', tid: 5, cat: 'disk', args: { partition: 'da"ta\n', block: 7, bytes: 4096 } },
      { name: 'block.acquire', ph: 'i', tid: 5, cat: 'block', args: { partition: 'da"ta\n', block: 7, mode: 'modify' } },
      { name: 'block.release', ph: 'i', tid: 5, cat: 'block', args: { partition: 'partition 9', block: 7, class: 'trailer' } },
      { name: 'wait.latch', ph: 'X', tid: 5, cat: 'wait', args: { partition: 'log', block: 2 ** 33, heldBy: 'owner' } },
      { name: 'wait.latch', ph: 'X', tid: 5, cat: 'wait', args: { partition: 'da"ta\n', block: 0, heldBy: 'readers' } },
    ],
  ) // prettier-ignore
  assert.equal([events[0]!.ts, 'dur' in events[0]! && events[0].dur], [EPOCH_MS * 1000 + 1001, 1249])
})

test('rounds, stages, journals and other waits have the names of groups and classes', () => {
  const args = (record: Partial<TraceRecord>) => eventsOf([record])[0]!.args
  const group = { group: '7' }
  const one = { partition: 1 }
  assert.equal(args(span('work.round', 0, 1, { ...one, block: 3, value: -1 })), { ...group, blocks: 3, kind: 'full', failed: true }) // prettier-ignore
  assert.equal(args(span('work.round', 0, 1, { block: 3, value: 3 })), { group: 'x', blocks: 3, kind: 'record', failed: false }) // prettier-ignore
  assert.equal(args(span('work.stage', 0, 1, { ...one, block: 3, value: 2 })), { ...group, blocks: 3, class: 'trailer' }) // prettier-ignore
  assert.equal(args(span('work.stage', 0, 1, { block: 3, value: 3 })), { group: 'x', blocks: 3, class: 'place' }) // prettier-ignore
  assert.equal(args(span('work.cut', 0, 0, { ...one, block: 3, value: 8 })), { ...group, blocks: 3, cut: 8 })
  assert.equal(args(span('work.done', 0, 0, { ...one, value: 8 })), { ...group, cut: 8 })
  assert.equal(args(span('work.failed', 0, 0, { partition: 4, block: 1, value: 2 })), { group: 'group 4', dirty: 1, failures: 2 }) // prettier-ignore
  assert.equal(args(span('journal.write', 0, 1, { block: 3, value: 8192 })), { group: 'x', blocks: 3, bytes: 8192 }) // prettier-ignore
  assert.equal(args(span('wait.mutex', 0, 1, { ...one, value: 4 })), { mutex: 'round', ...group })
  assert.equal(args(span('wait.mutex', 0, 1, { value: 3 })), { mutex: 'policy' })
  assert.equal(args(span('wait.flush', 0, 1, { ...one, value: 1 })), { ...group, through: 'data' })
  assert.equal(args(span('proc.start', 0, 0)), {})
  assert.equal(args({ ...span('some.point', 0, 1), value: 5 }), {})
})

test('spans of a thread that overlap are asynchronous, and a read is within its miss', () => {
  const load = (block: number, from: number, to: number) => [
    span('disk.read', from + 1, to - 1, { block }),
    span('block.load', from, to, { block }),
  ]
  const events = eventsOf([...load(1, 0, 10), ...load(2, 2, 20), ...load(3, 2, 8), span('disk.fsync', 4, 5)])
  assert.equal(new Set(events.map(({ ph }) => ph)), new Set(['b', 'e', 'X']))
  const ids = new Map<number, Set<string>>()
  for (const event of events) {
    if (event.ph !== 'b') continue
    const { block } = event.args as { block: number }
    ids.set(block, (ids.get(block) ?? new Set()).add(event.id))
  }
  assert.equal(
    [...ids.values()].map(({ size }) => size),
    [1, 1, 1],
  )
  assert.is(new Set([...ids.values()].flatMap((of) => [...of])).size, 3)
})

test('rounds of two groups at a time, with their stages', () => {
  const work = (group: number, from: number, to: number) => [
    span('work.stage', from + 1, from + 2, { slot: 1, partition: group, value: 1 }),
    span('work.stage', from + 2, to - 1, { slot: 1, partition: group, value: 2 }),
    span('work.round', from, to, { slot: 1, partition: group, value: 1 }),
  ]
  const events = eventsOf([...work(0, 0, 10), ...work(1, 5, 15), ...work(0, 10, 20)])
  const ids = events.flatMap((event) => (event.ph === 'b' ? [`${event.name} ${event.id}`] : []))
  assert.is(new Set(ids).size, 6)
  assert.is(new Set(ids.map((text) => text.split(' ')[1])).size, 3)
})

test('any records make a sound trace: also of no time, at one time, and all at once', () => {
  const points = [
    'block.load',
    'disk.read',
    'disk.write',
    'work.round',
    'work.stage',
    'wait.flush',
    'proc.stop',
    'block.evict',
  ]
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 48271) % 2147483647
    return seed % below
  }
  for (let run = 0; run < 300; run++) {
    const steps = [2, 5, 50, 1000][run % 4]!
    const records = Array.from({ length: 40 }, () => {
      const from = random(steps) / 1000
      return span(points[random(points.length)]!, from, from + random(steps) / 1000, {
        slot: random(3), partition: random(2), block: random(2), value: random(3),
      }) // prettier-ignore
    })
    const events = eventsOf(records)
    assert.is(events.filter(started).length, 40)
  }
})

test('only the last seconds before the newest record, and what reaches into them', () => {
  const records = [
    span('disk.fsync', 0, 1, { block: 0 }),
    span('disk.fsync', 1000, 8500, { slot: 1 }),
    span('proc.start', 8001, 8001),
    span('proc.stop', 10_000, 10_000),
  ]
  const left = (seconds?: number) => eventsOf(records, seconds).map(({ name }) => name)
  assert.equal(left(), ['disk.fsync', 'disk.fsync', 'proc.start', 'proc.stop'])
  assert.equal(left(2), ['disk.fsync', 'proc.start', 'proc.stop'])
  assert.equal(left(1), ['proc.stop'])
  assert.equal(left(0.001), ['proc.stop'])
  for (const seconds of [0, -1, NaN, '5'])
    refusalNow('ERR_DCACHE_BAD_OPTION', () => chromeTrace(clientOf(records), { seconds: seconds as number }), 'seconds') // prettier-ignore
})

test('without a recorder it has names only, and says that there are no records', () =>
  withCache({}, ({ cache }) => {
    const trace = chromeTrace(cache)
    assert.equal(traceFaults(trace), [])
    assert.equal(timed(trace.traceEvents), [])
    assert.equal(trace.otherData, { source: 'dcache', records: 0, from: null, to: null })
  }))

test('a real cache, with threads that block, calls that overlap and rounds of two groups', () =>
  withCache(
    {
      cached: 24,
      traceEntries: 4096,
      partitions: { a: { blocks: 200 }, 'b\n"': { blocks: 200, group: 'other' } },
    },
    async ({ cache, data }) => {
      const other = cache.partition('b\n"')
      for (let i = 0; i < 10; i++) {
        const guards = await Promise.all(
          [0, 1, 2, 3].map((j) => data.acquire((i * 17 + j * 5) % 200, 'read')),
        )
        for (const guard of guards) guard.release()
        await data.write(new Uint8Array(512), (i % 200) * 512, 'trailer')
        await other.write(new Uint8Array(1024), ((i * 3) % 100) * 1024)
        if (i % 3 === 0) await cache.flush()
      }
      await inThread(cache.handle, 0, ({ client }) => {
        const a = client.partition('a')
        for (let i = 0; i < 30; i++) a.acquireSync((i * 7) % 200, 'read').release()
        a.writeSync(new Uint8Array(512), 0)
        client.flushSync({ partition: 'a' })
        client.detach()
      })
      await until('the releases', () => cache.stats().blocks.held === 0)
      const trace = JSON.parse(JSON.stringify(chromeTrace(cache))) as ReturnType<typeof chromeTrace>
      assert.equal(traceFaults(trace), [])
      const events = timed(trace.traceEvents)
      assert.ok(trace.otherData.records > 100)
      assert.is(events.filter(started).length, trace.otherData.records)
      const names = new Set(events.map(({ name }) => name))
      for (const name of ['block.load', 'disk.read', 'disk.write', 'disk.fsync', 'work.round', 'work.stage'])
        assert.ok(names.has(name), name)
      assert.ok(events.some(({ args }) => args['partition'] === 'b\n"'))
      assert.ok(events.some(({ args }) => args['group'] === 'other'))
      assert.ok(events.some(({ args }) => args['class'] === 'trailer'))
      const threads = trace.traceEvents.flatMap((event) =>
        event.name === 'thread_name' && 'name' in event.args ? [event.args.name] : [],
      )
      for (const name of ['owner', 'flush worker']) assert.ok(threads.includes(name), threads.join())
    },
  ))

test.run()
