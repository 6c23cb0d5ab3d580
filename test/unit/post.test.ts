// A post of the engine with simulated threads: when it starts the next one, how long it pauses before that, when it stops
// trying, and that stopping it works in every state.

import { EventEmitter } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backoffMs, FAILURES_MAX, Post, type PostOptions, Turns } from '#dist/workers/post.js'
import { until } from '../support/open.js'

/** The part of a Worker that a post uses. With `isStubborn` it does not end when it is terminated. */
class FakeWorker extends EventEmitter {
  isStubborn = false
  terminations = 0
  ref(): void {
    // A simulated worker does not keep the process alive.
  }
  unref(): void {
    // The same.
  }
  end(): void {
    this.emit('exit', 1)
  }
  terminate(): Promise<number> {
    this.terminations++
    if (!this.isStubborn) setImmediate(() => { this.end() }) // prettier-ignore
    return Promise.resolve(1)
  }
}

/** A post whose threads do what `fate` says when they start, and a record of what happened. */
function fakePost(
  fate: (start: number) => 'ready' | 'fails' | 'throws' | 'hangs',
  more: Partial<PostOptions> = {},
) {
  const workers: FakeWorker[] = []
  const rests: number[] = []
  const hopeless: unknown[] = []
  let starts = 0
  const post = new Post('one', {
    begin() {
      const what = fate(starts++)
      if (what === 'throws') throw new Error('no thread')
      const worker = new FakeWorker()
      workers.push(worker)
      const ready =
        what === 'ready'
          ? Promise.resolve()
          : what === 'hangs'
            ? new Promise<void>(() => undefined)
            : Promise.reject(new Error('it failed'))
      if (what === 'fails') setImmediate(() => { worker.end() }) // prettier-ignore
      return { worker: worker as unknown as Worker, ready }
    },
    isVacant: () => true,
    turns: new Turns(),
    restMs(failures) {
      rests.push(failures)
      return 0
    },
    hopeless: (cause) => hopeless.push(cause),
    ...more,
  })
  return { post, workers, rests, hopeless, starts: () => starts }
}

const posts = suite('posts of the engine')

posts('the pauses grow from none to two seconds and add up to a minute', () => {
  assert.equal([1, 2, 3, 4].map(backoffMs), [0, 10, 20, 40])
  const all = Array.from({ length: FAILURES_MAX - 1 }, (_, i) => backoffMs(i + 1))
  all.reduce((before, rest) => {
    assert.ok(rest >= before && rest <= 2000)
    return rest
  })
  assert.ok(all.reduce((sum, rest) => sum + rest) >= 60_000)
})

posts(
  'a place that was taken after it looked vacant is tried again, and is no failure of the thread',
  async () => {
    const { post, rests, workers, starts } = fakePost((start) => (start < 10 ? 'fails' : 'ready'), {
      wasTaken: (cause) => (cause as Error).message === 'it failed',
    })
    post.call()
    await until('a thread is ready', () => starts() === 11)
    assert.equal(rests, [])
    assert.ok(post.isFilled)
    const stopped = post.stop()
    workers.at(-1)!.end()
    assert.ok(await stopped)
  },
)

posts('a first start that fails is reported to the caller and not repeated', async () => {
  for (const how of ['fails', 'throws'] as const) {
    const { post, rests } = fakePost(() => how)
    const failure = await post.fill().catch((error: unknown) => error)
    assert.instance(failure, Error)
    assert.equal(rests, [])
  }
})

posts('later starts that fail are repeated until one succeeds', async () => {
  const { post, workers, rests, starts } = fakePost((start) =>
    start < 12 ? (start % 2 ? 'fails' : 'throws') : 'ready',
  )
  post.call()
  post.call()
  await until('the thirteenth start', () => starts() === 13)
  await until('all rests', () => rests.length === 12)
  assert.equal(rests, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  const stopped = post.stop()
  workers.at(-1)!.end()
  assert.is(await stopped, true)
})

posts('posts that fail when they start at once start one after the other', async () => {
  const turns = new Turns()
  /** The starts under way, and whether each has overlapped with another. */
  const starting = new Set<{ isAlone: boolean }>()
  const workers: FakeWorker[] = []
  const begin = () => {
    const own = { isAlone: true }
    starting.add(own)
    if (starting.size > 1) for (const one of starting) one.isAlone = false
    const worker = new FakeWorker()
    workers.push(worker)
    const ready = (async () => {
      // Long enough that starts without turns overlap, since all rests are 0.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      starting.delete(own)
      if (!own.isAlone) throw new Error('too many at once')
    })()
    return { worker: worker as unknown as Worker, ready }
  }
  const all = Array.from({ length: 4 }, () => fakePost(() => 'ready', { begin, turns }))
  for (const { post } of all) post.call()
  await until('all are filled', () => starting.size === 0 && workers.length === 8)
  // Each failed once, together with the others, and then succeeded.
  assert.equal(
    all.map(({ rests }) => rests),
    [[1], [1], [1], [1]],
  )
  for (const { post } of all) post.close()
})

posts('a post that is closed while it waits for its turn starts no thread', async () => {
  const turns = new Turns()
  let release!: () => void
  const { post, starts, rests } = fakePost((start) => (start === 0 ? 'throws' : 'ready'), { turns })
  void turns.take(() => new Promise((resolve) => (release = resolve)))
  post.call()
  await until('the first failure', () => rests.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.is(starts(), 1)
  post.close()
  release()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.is(starts(), 1)
})

posts('after the maximum of failures in a row it stops trying and reports it once', async () => {
  const { post, hopeless, starts } = fakePost(() => 'throws')
  post.call()
  await until('it to stop trying', () => hopeless.length > 0)
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.is(starts(), FAILURES_MAX)
  assert.is(hopeless.length, 1)
})

posts('without a maximum it never stops trying', async () => {
  const { post, starts } = fakePost(() => 'throws', { hopeless: undefined as never })
  post.call()
  await until('many starts', () => starts() > 3 * FAILURES_MAX)
  post.close()
})

posts('a thread that ran for a while resets the count of failures', async () => {
  const { post, workers, rests } = fakePost((start) => (start < 3 ? 'throws' : 'ready'))
  post.call()
  await until('a thread', () => workers.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  workers[0]!.end()
  await until('its successor', () => workers.length === 2)
  assert.equal(rests, [1, 2, 3, 1])
  workers[1]!.end()
  await until('the next, after a short life', () => workers.length === 3)
  assert.equal(rests, [1, 2, 3, 1, 2])
  post.close()
})

posts('waiting for its slot to become vacant is no failure', async () => {
  let isVacant = false
  const { post, rests, starts } = fakePost(() => 'ready', { isVacant: () => isVacant })
  post.call()
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.is(starts(), 0)
  isVacant = true
  await until('a start', () => starts() === 1)
  assert.equal(rests, [])
  post.close()
})

posts('a post stopped during a pause ends at once and starts no thread', async () => {
  const { post, starts } = fakePost(() => 'throws', { restMs: () => 20 })
  post.call()
  await until('a failure', () => starts() > 0)
  const before = starts()
  assert.is(await post.stop(), true)
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.is(starts(), before)
})

posts(
  'a post stopped while a thread starts waits for its end, and terminates one that does not end',
  async () => {
    const { post, workers } = fakePost(() => 'hangs')
    post.call()
    const [worker] = workers
    const stopped = post.stop(30)
    assert.is(await stopped, true)
    assert.is(worker!.terminations, 1)
  },
)

posts('a post does not wait for ever for a thread that cannot be terminated', async () => {
  const { post, workers } = fakePost(() => 'ready')
  await post.fill()
  workers[0]!.isStubborn = true
  assert.is(await post.stop(20), false)
})

posts.run()
