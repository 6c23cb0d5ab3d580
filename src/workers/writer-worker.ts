/**
 * A writer's thread: sleeps on the state of its job and does jobs, until it is told to stop, or nothing was asked of it for
 * QUIET_MS. Then it returns its slot, and the owner starts another thread when the next job needs one.
 */
import { performance } from 'node:perf_hooks'
import { load, wait } from '#atomics'
import { QUIET_MS } from '../core/write-back/needs.js'
import { Writer } from '../core/write-back/writer.js'
import { writerSlot } from '../shared/layout.js'
import { attachSlot, detachSlot } from '../shared/slot.js'
import { threadId } from 'node:worker_threads'
import { contextOf, openArena } from './attach.js'
import { serveStart } from './control.js'
import { Job, JobState } from '../shared/words.js'

serveStart(({ handle, options, writer: index }) => {
  const arena = openArena(handle)
  const number = writerSlot(index!)
  const slot = attachSlot(arena, number, number + 1, threadId, `writer ${index!}`)
  const context = contextOf(handle, arena, slot, true)
  const writer = new Writer(context, index!, options.writeBytes)
  const { words } = context
  const at = arena.jobAt(index!) + Job.state
  const returnSlot = () => {
    detachSlot(arena, slot)
  }
  writer.stays()
  return () => {
    for (let quietAtMs = performance.now() + QUIET_MS; ;) {
      const state = load(words, at)
      if (state === JobState.STOP) return
      if (writer.isAsked) {
        writer.runJob()
        quietAtMs = performance.now() + QUIET_MS
      }
      const leftMs = quietAtMs - performance.now()
      if (leftMs > 0) wait(words, at, JobState.IDLE, leftMs)
      else if (writer.leaves(returnSlot)) return
    }
  }
})
