// The engine's own threads over a tiny arena, and their successors after a death, as in src/workers/: the loops of
// flush-worker.ts and writer-worker.ts, what adopt.ts does when a thread has ended, and how crew.ts replaces one.

import { load, quietLoad, quietStore, wait } from '../atomics.js'
import type { Scene, Role } from '../body.js'
import { CLIENT_SLOT, FLUSH_SLOT, Note, OWNER_SLOT, type Tiny, WRITER_SLOT } from './tiny.js'
import type { Context } from '#dist/core/context.js'
import { Header, Job, JobState, Slot, SlotState } from '#dist/shared/words.js'

/** A flush worker that only reaps clients. It may die itself: then its successor repairs and reaps. */
export function reapers(tiny: Tiny): Role[] {
  const reapUntilTheEnd = (context: Context, scene: Scene) => {
    for (;;) {
      const seen = scene.dead.length
      bury(tiny, scene)
      tiny.engine.reaper.reapDead(context)
      if (!scene.serveDeaths(seen)) return
    }
  }
  return [
    {
      name: 'reaper',
      isMortal: true,
      startsOnDeath: true,
      run: (scene) => {
        reapUntilTheEnd(tiny.context(FLUSH_SLOT), scene)
      },
    },
    {
      name: 'successor',
      startsOnDeath: true,
      run: (scene) => {
        if (!scene.serveDeathOf('reaper')) return
        const context = takeOver(tiny)
        tiny.engine.reaper.freeOwnMutexes(context)
        reapUntilTheEnd(context, scene)
      },
    },
  ]
}

/** The owner's part after deaths, concurrently with the reaper. */
export const owner = (tiny: Tiny): Role => ({
  name: 'owner',
  startsOnDeath: true,
  run: (scene) => {
    const context = tiny.context(OWNER_SLOT)
    for (;;) {
      const seen = scene.dead.length
      bury(tiny, scene)
      tiny.engine.bell.ringBell(context)
      if (!scene.serveDeaths(seen)) return
    }
  },
})

/**
 * Flush worker and writer, both mortal; the owner's part after deaths; and the successors of the two. With `leaves` the writer
 * leaves at once, unless it is asked before, and another begins when there is a job.
 */
export function crew(tiny: Tiny, leaves = false): Role[] {
  const { words } = tiny.arena
  return [
    {
      name: 'flusher',
      isMortal: true,
      run: (scene) => {
        runFlusher(tiny, scene, tiny.context(FLUSH_SLOT))
      },
    },
    {
      name: 'writer',
      isMortal: !leaves,
      run: (scene) => {
        runWriter(tiny, scene, leaves)
      },
    },
    owner(tiny),
    {
      name: 'second flusher',
      startsOnDeath: true,
      run: (scene) => {
        if (scene.serveDeathOf('flusher')) runFlusher(tiny, scene, takeOver(tiny))
      },
    },
    {
      name: 'second writer',
      startsOnDeath: true,
      run: (scene) => {
        if (!scene.serveDeathOf('writer')) return
        // The successor does not begin before the slot of its predecessor is reaped.
        const stateAt = tiny.arena.slotAt(WRITER_SLOT) + Slot.state
        for (;;) {
          const state = quietLoad(words, stateAt)
          if (state === SlotState.FREE) break
          wait(words, stateAt, state, 1)
        }
        quietStore(words, stateAt, SlotState.LIVE)
        runWriter(tiny, scene)
      },
    },
  ]
}

function takeOver(tiny: Tiny): Context {
  tiny.engine.slot.takeOverSlot(tiny.arena, FLUSH_SLOT, FLUSH_SLOT + 1)
  return tiny.context(FLUSH_SLOT)
}

function runFlusher({ engine }: Tiny, scene: Scene, context: Context): void {
  // A delayed kick is never due: bodies request their flushes.
  const flusher = new engine.flusher.Flusher(context, () => undefined)
  for (;;) {
    const bell = load(context.words, Header.bell)
    flusher.step()
    if (!scene.serve(Header.bell, bell)) return
  }
}

function runWriter(tiny: Tiny, scene: Scene, leaves = false): void {
  const writer = new tiny.engine.writer.Writer(tiny.context(WRITER_SLOT), 0)
  const { words } = tiny.arena
  const stateAt = tiny.arena.slotAt(WRITER_SLOT) + Slot.state
  if (
    leaves &&
    writer.leaves(() => {
      quietStore(words, stateAt, SlotState.FREE)
    })
  ) {
    writer.stays() // as the owner, when the thread has ended
    quietStore(words, stateAt, SlotState.LIVE)
  }
  const jobAt = tiny.arena.jobAt(0) + Job.state
  for (;;) {
    if (writer.isAsked) writer.runJob()
    if (!scene.serve(jobAt, JobState.IDLE)) return
  }
}

/** Marks the slots of dead threads. This is not explored, so it has no points. */
function bury({ arena, notes }: Tiny, scene: Scene): void {
  for (const name of scene.dead) {
    const slot = name === 'writer' ? WRITER_SLOT : CLIENT_SLOT + Number(name.split(' ')[1])
    // The successor of the flush worker takes over its slot.
    if (Number.isNaN(slot) || notes[Note.buried + slot] === 1) continue
    notes[Note.buried + slot] = 1
    quietStore(arena.words, arena.slotAt(slot) + Slot.state, SlotState.DEAD)
  }
}
