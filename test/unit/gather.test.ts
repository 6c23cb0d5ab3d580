// Threads that flush a group with a journal wait for each other a moment (core/changes/gather.ts): when, for whom, and when not any more.

import { InlineEngine } from '../support/inline-engine.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  arrive,
  awaitOthers,
  awaitsOthers,
  noteArrivals,
  noteRecordTime,
  noteTogether,
} from '#dist/core/changes/gather.js'
import { Leader } from '#dist/core/write-back/leader.js'
import { runSync, type Step } from '#dist/shared/wait.js'
import { Group } from '#dist/shared/words.js'
import { MemoryDevice } from '../support/memory-device.js'

const BLOCK = 512
const HALF = 8 * 4096

/** What threads do, one step at a time; each step holds the round mutex. */
function threads() {
  const engine = new InlineEngine({
    blocks: 64,
    partitions: { data: { device: new MemoryDevice(64 * BLOCK), blockSize: BLOCK, group: 'main' } },
    journals: { main: { device: new MemoryDevice(4096 + 2 * HALF), halfBytes: HALF } },
  })
  const { context, arena } = engine
  const locked = <T>(act: () => T): T => {
    assert.ok(context.roundMutexes[0]!.tryLock(context.slot.index))
    try {
      return act()
    } finally {
      context.roundMutexes[0]!.unlock()
    }
  }
  const cut = () => {
    locked(() => {
      noteArrivals(context, 0)
    })
  }
  return {
    engine,
    locked,
    arrive: (count: number) => {
      for (let i = 0; i < count; i++)
        locked(() => {
          arrive(context, 0)
        })
    },
    awaits: (hasWaited = false) => locked(() => awaitsOthers(context, 0, hasWaited)),
    cut,
    end: () => {
      locked(() => {
        noteTogether(context, 0)
      })
    },
    word: (word: Group) => context.words[arena.groupAt(0) + word]!,
    set: (word: Group, value: number) => {
      context.words[arena.groupAt(0) + word] = value
    },
    takesMs: (ms: number) => {
      locked(() => {
        noteRecordTime(context, 0, ms)
      })
    },
    write: () => {
      engine.client.partition('data').writeSync(new Uint8Array(BLOCK).fill(1), 0)
    },
  }
}

const gather = suite('gathering')

gather('a thread that is alone never waits', () => {
  const all = threads()
  for (let round = 0; round < 3; round++) {
    all.arrive(1)
    assert.not(all.awaits())
    all.cut()
    all.end()
  }
})

gather(
  'as many are awaited as were there when the last round ended: those it served and those that had come',
  () => {
    const all = threads()
    all.arrive(1)
    all.cut()
    all.arrive(3)
    all.end()
    assert.is(all.word(Group.together), 4)
    assert.ok(all.awaits(), 'three are there')
    all.arrive(1)
    assert.not(all.awaits(), 'the fourth leads for all')
    all.cut()
    all.end()
    assert.is(all.word(Group.together), 4)
    all.arrive(3)
    assert.ok(all.awaits())
  },
)

gather('after waits in vain, more and more rounds begin at once; until one was not in vain', () => {
  const all = threads()
  all.set(Group.together, 2)
  all.arrive(1)
  for (const pause of [1, 3, 7, 15, 31, 63, 63]) {
    assert.ok(all.awaits())
    assert.not(all.awaits(true), 'its time is over')
    for (let round = 0; round < pause; round++) assert.not(all.awaits(), `round ${round} of ${pause}`)
  }
  all.arrive(1)
  assert.not(all.awaits())
  all.cut()
  all.arrive(1)
  assert.ok(all.awaits())
  assert.not(all.awaits(true))
  assert.not(all.awaits())
  assert.ok(all.awaits(), 'one pause only')
})

gather('the counts may wrap', () => {
  const all = threads()
  all.set(Group.arrived, 2 ** 31 - 1)
  all.set(Group.atCut, 2 ** 31 - 1)
  all.set(Group.together, 3)
  all.arrive(2)
  assert.ok(all.awaits())
  all.arrive(1)
  assert.not(all.awaits())
  all.cut()
  all.end()
  assert.is(all.word(Group.together), 3)
})

gather('the wait is half as long as the last record took, and has a limit', () => {
  const all = threads()
  const { context } = all.engine
  all.write()
  const waitOf = (): Step | undefined => {
    const ticket = all.locked(() => context.rounds[0]!.ticket(all.word(Group.epoch)))
    return awaitOthers(context, 0, context.rounds[0]!, ticket).next().value ?? undefined
  }
  for (const [recordMs, timeoutMs] of [
    [3, 1.5],
    [0, 0],
    [100, 5],
    [1e9, 5],
  ] as const) {
    all.takesMs(recordMs)
    const wait = waitOf()
    assert.is(wait?.kind === 'wait' ? wait.timeoutMs : undefined, timeoutMs)
  }
})

gather('there is nothing to wait for while another thread leads, or when the round is over', () => {
  const all = threads()
  const { context } = all.engine
  all.write()
  const round = context.rounds[0]!
  const ticket = all.locked(() => round.ticket(all.word(Group.epoch)))
  all.set(Group.leader, 3)
  assert.ok(awaitOthers(context, 0, round, ticket).next().done)
  all.set(Group.leader, 0)
  assert.not(awaitOthers(context, 0, round, ticket).next().done)
  all.engine.client.flushSync()
  assert.ok(awaitOthers(context, 0, round, ticket).next().done)
})

gather('a thread takes the part, and leads when it has waited; its flush then has one record', () => {
  const all = threads()
  const { context } = all.engine
  all.set(Group.together, 2)
  all.takesMs(1)
  all.write()
  const one = new Leader(context)
  all.locked(() => {
    arrive(context, 0)
    assert.is(one.take(0, undefined, false), 'gather')
    assert.is(all.word(Group.cut), 0, 'no cut was made')
    assert.is(one.take(0, undefined, true), 'lead')
  })
  runSync(one.run(0), true)
  assert.is(all.word(Group.together), 1)
  all.write()
  const before = all.word(Group.rounds)
  all.engine.client.flushSync()
  assert.is(all.word(Group.rounds), before + 1)
  assert.equal(all.engine.checkQuiet(), [])
})

gather('a flush that waits in vain is durable all the same', () => {
  const all = threads()
  all.set(Group.together, 9)
  all.takesMs(1)
  all.write()
  all.engine.client.flushSync()
  assert.is(all.word(Group.missed), 1)
  assert.is(all.word(Group.together), 1)
  assert.equal(all.engine.checkQuiet(), [])
})

gather.run()
