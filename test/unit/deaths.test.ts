// Deaths of which no thread is told, on small arenas: how the system reports threads, claims of slots, and how the reaper
// treats a journal entry that never settles.

import { InlineEngine } from '../support/inline-engine.js' // first: it must be loaded before the engine
import { setSleeper } from '../support/inline-sleep.js'
import { Worker } from 'node:worker_threads'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buryGone, buryThread, hasEnded } from '#dist/core/wait/deaths.js'
import { isGone, osThreadId } from '#dist/shared/os-thread.js'
import { attachSlot, tryAttachSlot } from '#dist/shared/slot.js'
import { MemoryDevice } from '../support/memory-device.js'
import { refusalNow } from '../support/open.js'
import { smallArena } from '../support/small-context.js'
import { Frame, Header, Journal, Latch, Slot, SlotState } from '#dist/shared/words.js'

/** The system's id of a thread that has ended. */
async function endedThread(): Promise<number> {
  const code = `const { parentPort } = require('node:worker_threads')
    parentPort.postMessage(Number(require('node:fs').readlinkSync('/proc/thread-self').split('/').at(-1)))`
  const worker = new Worker(code, { eval: true })
  const number = new Promise<number>((resolve) => worker.once('message', resolve))
  await new Promise((resolve) => worker.once('exit', resolve))
  return number
}

const marks = suite('marking the dead')

if (process.platform === 'linux') {
  marks('a thread that ended counts as gone, a running and an unknown one do not', async () => {
    assert.ok(osThreadId() > 0)
    const ended = await endedThread()
    assert.equal([isGone(osThreadId()), isGone(0), isGone(ended)], [false, false, true])
  })

  marks(
    'its slot is marked and the flush worker rung; those of running threads, the owner and the flush worker are not',
    async () => {
      const arena = smallArena()
      const slots = [0, 1, 2, 3].map((index) => attachSlot(arena, index, index + 1, 40 + index))
      const ended = await endedThread()
      for (const slot of [slots[0]!, slots[1]!, slots[3]!]) arena.words[slot.at + Slot.osThread] = ended
      const bell = arena.words[Header.bell]!
      assert.equal(
        slots.map(({ index }) => hasEnded(arena, index)),
        [true, true, false, true],
      )
      buryGone(arena)
      const states = slots.map(({ at }) => arena.words[at + Slot.state])
      assert.equal(states, [SlotState.LIVE, SlotState.LIVE, SlotState.LIVE, SlotState.DEAD])
      assert.is(arena.words[Header.bell], bell + 1)
      buryGone(arena)
      assert.is(arena.words[Header.bell], bell + 1, 'nothing new')
    },
  )

  marks('only a slot whose thread ended while attaching becomes free again', async () => {
    const arena = smallArena()
    const { words } = arena
    const claim = (thread: number) => SlotState.ATTACHING | (thread << SlotState.CLAIM_SHIFT)
    words[arena.slotAt(3) + Slot.state] = claim(await endedThread())
    words[arena.slotAt(4) + Slot.state] = claim(osThreadId())
    assert.is(tryAttachSlot(arena, 3, 5, 7), undefined, 'claims are respected')
    buryGone(arena)
    assert.is(tryAttachSlot(arena, 3, 5, 7)?.index, 3)
    assert.is(tryAttachSlot(arena, 3, 5, 7), undefined)
  })
}

marks('a thread whose end Node reports is marked once', () => {
  const arena = smallArena()
  const slots = [2, 3].map((index) => attachSlot(arena, index, index + 1, 40 + index))
  buryThread(arena, 43)
  const states = () => slots.map(({ at }) => arena.words[at + Slot.state])
  assert.equal(states(), [SlotState.LIVE, SlotState.DEAD])
  arena.words[slots[1]!.at + Slot.state] = SlotState.FREE
  attachSlot(arena, 3, 4, 50)
  buryThread(arena, 43)
  assert.equal(states(), [SlotState.LIVE, SlotState.LIVE], 'the slot belongs to another thread by now')
})

marks.run()

const torn = suite('a journal entry that never settles')

for (const state of [Journal.TAKING, Journal.GIVING]) {
  torn(
    `${Journal[state]}: the reaper retries while all else continues, and succeeds once that thread is dead too`,
    () => {
      const device = new MemoryDevice(512 * 16)
      const engine = new InlineEngine({ blocks: 8, partitions: { a: { device, blockSize: 512 } } })
      const { words } = engine.arena
      const [dead, unheard] = [engine.attach(), engine.attach()]
      const a = engine.client.partition('a')
      dead.partition('a').acquireSync(0, 'read')
      const latchAt = (() => {
        for (let frame = 0; frame < 8; frame++)
          if ((words[engine.arena.frameAt(frame) + Frame.latch]! & Latch.PINS) > 0)
            return engine.arena.frameAt(frame) + Frame.latch
        throw new Error('block 0 is not pinned')
      })()
      const [deadAt, unheardAt] = [dead, unheard].map((client) => slotOf(client))
      const entry = words.subarray(engine.arena.journalAt(deadAt!)).find((word) => word !== 0)!
      unheard.partition('a').acquireSync(0, 'read')
      const journalAt = engine.arena.journalAt(unheardAt!)
      const entryAt = journalAt + words.subarray(journalAt, journalAt + 256).findIndex((word) => word !== 0)
      words[entryAt] = (entry & ~3) | state
      if (state === Journal.GIVING) words[latchAt]!-- // between the two stores of a release
      words[engine.arena.slotAt(deadAt!) + Slot.state] = SlotState.DEAD
      // A call with a deadline sleeps as often as fits, so only the slices of the flush worker are counted.
      let slices = 0
      setSleeper(engine.arena.buffer, () => {
        if (++slices > 1000) throw new Error('the flush worker waits for ever')
      })
      for (let i = 0; i < 3; i++) engine.stepFlusher()
      setSleeper(engine.arena.buffer, () => {})
      assert.ok(engine.flusher.idleMs() < 1000, 'it retries')
      assert.is(words[engine.arena.slotAt(deadAt!) + Slot.state], SlotState.DEAD)
      assert.is(words[latchAt]! & Latch.FROZEN, 0)
      a.acquireSync(0, 'read').release()
      a.writeSync(new Uint8Array(512).fill(7), 512)
      engine.settle()
      refusalNow(
        'ERR_DCACHE_TIMEOUT',
        () => a.acquireSync(0, 'modify', { timeoutMs: 5 }),
        'block 0',
        'has ended',
      )
      words[engine.arena.slotAt(unheardAt!) + Slot.state] = SlotState.DEAD
      engine.stepFlusher()
      for (const slot of [deadAt!, unheardAt!])
        assert.is(words[engine.arena.slotAt(slot) + Slot.state], SlotState.FREE)
      assert.ok(engine.flusher.idleMs() > 1e6, 'nothing is left to be reaped')
      a.acquireSync(0, 'modify').release()
      assert.equal(engine.checkQuiet(), [])
    },
  )
}

const slotOf = (client: unknown): number =>
  (client as { context: { slot: { index: number } } }).context.slot.index

torn.run()
