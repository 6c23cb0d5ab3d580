/**
 * The thread that owns the blocks and answers the requests of message.ts. All its blocks are in memory.
 */
import { type MessagePort, workerData } from 'node:worker_threads'
import { BLOCK_SIZE } from '../workload.js'
import { SEGMENT_BLOCKS } from './floor.js'

export interface OwnerData {
  readonly segments: readonly Uint8Array<SharedArrayBuffer>[]
  readonly ports: readonly MessagePort[]
}

const { segments, ports } = workerData as OwnerData
for (const port of ports) {
  port.on('message', (block: number) => {
    const start = (block % SEGMENT_BLOCKS) * BLOCK_SIZE
    port.postMessage(segments[Math.floor(block / SEGMENT_BLOCKS)]!.slice(start, start + BLOCK_SIZE))
  })
}
