// flush({ through }): what is of the first classes becomes durable, and nothing waits for the later ones.

import { InlineEngine } from '../support/inline-engine.js' // first: it must be loaded before the engine
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { flush } from '#dist/core/changes/rounds.js'
import { Leader } from '#dist/core/write-back/leader.js'
import { Frame, Group, Led } from '#dist/shared/words.js'
import { runSync } from '#dist/shared/wait.js'
import { MemoryDevice } from '../support/memory-device.js'
import { refusal, refusalNow, withCache } from '../support/open.js'

const BLOCK = 512
const EIO = Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 })

/** `log` and `data`, a partition for each of two classes, in one group. */
function engineOf() {
  const [log, data] = [new MemoryDevice(64 * BLOCK), new MemoryDevice(64 * BLOCK)]
  const partitions = { log: { device: log, blockSize: BLOCK }, data: { device: data, blockSize: BLOCK } }
  const engine = new InlineEngine({ blocks: 100, partitions, writeOrder: ['log', 'data'] })
  const { context, client } = engine
  const { words } = context
  const at = context.arena.groupAt(0)
  const change = (partition: string, block: number, value: number, writeClass = partition) => {
    const guard = client.partition(partition).acquireSync(block, 'overwrite')
    guard.data.fill(value)
    guard.markDirty(writeClass)
    guard.release()
  }
  return {
    engine,
    client,
    log,
    data,
    change,
    lock: () => assert.ok(context.roundMutexes[0]!.tryLock(context.slot.index)),
    unlock: () => {
      context.roundMutexes[0]!.unlock()
    },
    word: (word: Group) => words[at + word]!,
    setWord: (word: Group, value: number) => {
      words[at + word] = value
    },
    /** The flush worker runs the partial round, as for an asynchronous call. */
    ask: () => {
      runSync(flush(context, [{ group: 0, through: 1 }]), true)
    },
    /** Lets the flush worker run a round until a writer is to write class `data`. */
    untilDataStage: () => {
      client.kick()
      engine.stepFlusher()
      while (!engine.writers[1]!.isAsked) {
        engine.stepWriter(0)
        engine.stepFlusher()
      }
      assert.is(words[at + Group.stage], 2)
    },
  }
}

for (const by of ['the thread', 'the flush worker'] as const) {
  const flushBy = ({ client, ask }: ReturnType<typeof engineOf>) => {
    if (by === 'the flush worker') ask()
    else client.flushSync({ through: 'log' })
  }

  test(`by ${by}: later classes are not written`, () => {
    const all = engineOf()
    all.change('data', 5, 7)
    for (let block = 0; block < 10; block++) all.change('log', block, 8)
    flushBy(all)
    assert.equal([all.log.durable[9 * BLOCK], all.data.durable[5 * BLOCK]], [8, 0])
    assert.is(all.client.stats().dirty, 1)
    assert.equal([all.word(Group.partial), all.word(Group.partialCut)], [Led.NONE, 0])
    all.client.flushSync()
    assert.is(all.data.durable[5 * BLOCK], 7)
    assert.equal(all.engine.checkQuiet(), [])
  })

  test(`by ${by}: a round that writes later classes is not waited for`, () => {
    const all = engineOf()
    all.change('log', 0, 1)
    for (let block = 0; block < 40; block++) all.change('data', block, 1)
    all.untilDataStage()
    for (const value of [2, 3]) {
      all.change('log', 0, value)
      // The step of the flush worker would let the other writer write too.
      if (by === 'the thread') all.client.flushSync({ through: 'log' })
      else {
        const steps = flush(all.engine.context, [{ group: 0, through: 1 }])
        while (steps.next().done !== true) {
          all.engine.stepFlusher()
          for (const [i, writer] of all.engine.writers.entries())
            if (writer.isAsked && i !== 1) all.engine.stepWriter(i)
        }
      }
      assert.equal([all.log.durable[0], all.data.durable[0]], [value, 0])
      assert.ok(all.word(Group.cut) !== 0, 'the round is under way')
    }
    all.engine.settle()
    assert.equal([all.client.stats().dirty, all.data.durable[39 * BLOCK]], [0, 1])
    assert.equal(all.engine.checkQuiet(), [])
  })

  test(`by ${by}: a failure fences the partition, and later classes stay where they are`, () => {
    const all = engineOf()
    all.change('log', 0, 1)
    all.change('data', 0, 1)
    all.log.before = ({ kind }) => {
      if (kind === 'sync') throw EIO
    }
    refusalNow('ERR_DCACHE_FENCED', () => {
      flushBy(all)
    })
    assert.equal(
      all.engine.events.map(({ kind, partition }) => [kind, partition]),
      [['fenced', 0]],
    )
    assert.equal([all.word(Group.partial), all.data.durable[0]], [Led.NONE, 0])
    all.log.before = undefined
    all.engine.retry('log')
    assert.equal([all.log.durable[0], all.data.durable[0]], [1, 1])
    assert.equal(all.engine.checkQuiet(), [])
  })

  test(`by ${by}: while a later class is fenced the first ones become durable`, () => {
    const all = engineOf()
    all.change('data', 0, 1)
    all.data.before = () => {
      throw EIO
    }
    refusalNow('ERR_DCACHE_FENCED', () => {
      all.client.flushSync()
    })
    all.change('log', 0, 2)
    flushBy(all)
    assert.is(all.log.durable[0], 2)
    all.data.before = undefined
    all.engine.retry('data')
    assert.is(all.data.durable[0], 1)
    assert.equal(all.engine.checkQuiet(), [])
  })

  test(`by ${by}: a block that has changed its class comes in two rounds`, () => {
    const all = engineOf()
    const order: string[] = []
    for (const [name, device] of Object.entries({ log: all.log, data: all.data }))
      device.before = ({ kind }) => {
        order.push(`${kind} ${name}`)
      }
    all.change('data', 5, 1, 'log')
    all.change('log', 0, 1, 'data')
    all.change('log', 0, 2, 'log') // it has in it what needs the other block
    flushBy(all)
    assert.equal([all.log.durable[0], all.data.durable[5 * BLOCK]], [2, 1])
    assert.ok(order.indexOf('sync data') < order.indexOf('write log'), order.join())
    assert.equal(all.engine.checkQuiet(), [])
  })

  test(`by ${by}: if the round that has to come first fails, so does the flush`, () => {
    const all = engineOf()
    all.change('log', 0, 1, 'data')
    all.change('log', 0, 2, 'log')
    all.log.before = () => {
      throw EIO
    }
    refusalNow('ERR_DCACHE_FENCED', () => {
      flushBy(all)
    })
    all.log.before = undefined
    all.engine.retry('log')
    assert.is(all.log.durable[0], 2)
    assert.equal(all.engine.checkQuiet(), [])
  })

  test(`by ${by}: blocks of later classes keep no images for it`, () => {
    const all = engineOf()
    const isSaved = () => {
      const { context } = all.engine
      return Array.from(
        { length: 100 },
        (_, frame) => context.words[context.arena.frameAt(frame) + Frame.saved],
      ).some((link) => link !== 0)
    }
    all.change('data', 0, 1)
    for (let value = 1; value < 20; value++) {
      all.change('log', 0, value)
      flushBy(all)
      all.change('data', 0, value)
      assert.not(isSaved())
    }
    all.client.flushSync()
    assert.is(all.data.durable[0], 19)
    assert.equal(all.engine.checkQuiet(), [])
  })

  test(`by ${by}: so that numbers do not wrap, a full round comes when there was none for long`, () => {
    const all = engineOf()
    all.change('data', 0, 1)
    all.setWord(Group.epoch, all.word(Group.done) + 2 ** 22 + 1)
    all.change('log', 0, 1)
    flushBy(all)
    assert.equal([all.log.durable[0], all.data.durable[0]], [1, 1])
    for (let value = 1; value < 4; value++) {
      all.change('log', 0, value)
      flushBy(all)
      assert.is(all.word(Group.done), all.word(Group.epoch) - 1, 'nothing else was dirty')
    }
    assert.equal(all.engine.checkQuiet(), [])
  })
}

test('the log and other blocks in one partition: one writer at a time', () => {
  const all = engineOf()
  for (let block = 0; block < 40; block++) all.change('data', block, 1)
  all.untilDataStage()
  all.change('data', 50, 9, 'log')
  const before = all.data.durable[0]
  all.client.flushSync({ through: 'log' })
  assert.equal([before, all.data.durable[0], all.data.durable[50 * BLOCK]], [0, 1, 9])
  all.engine.settle()
  assert.equal(all.engine.checkQuiet(), [])
})

test('a full round that has to begin comes before the next partial one', () => {
  const all = engineOf()
  const { context } = all.engine
  const [one, other] = [new Leader(context), new Leader(context)]
  all.change('log', 0, 1)
  all.change('data', 0, 1)
  all.lock()
  assert.is(one.take(0, 1, false), 'lead')
  assert.is(other.take(0, 1, false), 'follow')
  all.unlock()
  all.client.kick()
  all.engine.stepFlusher()
  assert.equal([all.word(Group.yields), all.word(Group.cut)], [1, 0])
  assert.not(other.mayTake(0, 1))
  runSync(one.run(0), true)
  assert.not(other.mayTake(0, 1))
  all.lock()
  assert.is(other.take(0, 1, false), 'follow')
  all.unlock()
  all.engine.settle()
  assert.ok(other.mayTake(0, 1))
  assert.equal([all.word(Group.yields), all.data.durable[0]], [0, 1])
  assert.equal(all.engine.checkQuiet(), [])
})

test('the last class is a flush of everything; a scope of blocks, and groups by name', () =>
  withCache(
    {
      writeOrder: ['log', 'data'],
      flushDelayMs: 1e9,
      partitions: { a: { group: 'one' }, b: { group: 'two' }, c: { group: 'one' } },
    },
    async ({ cache, onDisk }) => {
      const change = async (name: string, block: number, writeClass: string) => {
        using guard = await cache.partition(name).acquire(block, 'overwrite')
        guard.data.fill(9)
        guard.markDirty(writeClass)
      }
      for (const name of ['a', 'b', 'c'])
        for (const writeClass of ['log', 'data']) await change(name, writeClass === 'log' ? 1 : 2, writeClass)
      const state = () =>
        ['a', 'b', 'c']
          .map((name) => [1, 2].map((block) => (onDisk(block, name)[0] === 9 ? block : 0)).join(''))
          .join(' ')
      await cache.flush({ group: 'two', through: 'log' })
      assert.is(state(), '00 10 00')
      await cache.flush({ partition: 'a', block: 1, through: 'log' })
      assert.is(state(), '10 10 10')
      await cache.flush({ partition: 'a', group: 'one', through: 'data' })
      assert.is(state(), '12 10 12')
      await cache.flush()
      assert.is(state(), '12 12 12')
      await refusal('ERR_DCACHE_UNKNOWN_CLASS', () => cache.flush({ through: 'x' }), "no write class 'x'")
      await refusal('ERR_DCACHE_BAD_OPTION', () => cache.flush({ group: 'x' }), "no group 'x'")
      await refusal(
        'ERR_DCACHE_BAD_OPTION',
        () => cache.flush({ group: 'two', partition: 'a' }),
        'of which it is not',
      )
    },
  ))

test.run()
