/**
 * A partition's writer thread: sleeps on its job word and does jobs, until it is told to stop.
 */
import { load, wait } from '#atomics'
import { Writer } from '../core/write-back/writer.js'
import { attachSlot } from '../shared/slot.js'
import { threadId } from 'node:worker_threads'
import { contextOf, openArena, writerSlot } from './attach.js'
import { serveStart } from './control.js'
import { JobState, Partition } from '../shared/words.js'

serveStart(({ handle, options, partition }) => {
  const arena = openArena(handle)
  const slot = writerSlot(partition!)
  const name = `writer of ${handle.partitions[partition!]!.name}`
  const context = contextOf(handle, arena, attachSlot(arena, slot, slot + 1, threadId, name), true)
  const writer = new Writer(context, partition!, options.writeBytes)
  const jobAt = arena.partitionAt(partition!) + Partition.job
  return () => {
    for (;;) {
      if (load(context.words, jobAt) === JobState.STOP) return
      if (writer.isAsked) writer.runJob()
      wait(context.words, jobAt, JobState.IDLE, Infinity)
    }
  }
})
