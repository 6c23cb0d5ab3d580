/**
 * Writes the same blocks with the system's calls alone: in ascending order, neighbours in writes of 1 MiB, then an
 * fsync of each file. Order and contents are prepared between the batches, which is not timed.
 */
import { fsyncSync, writeSync } from 'node:fs'
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, blocksOf, type FlushWork, openToWrite } from '../workload.js'

export interface BareWriteData {
  readonly work: FlushWork
}

const PAGE = 65536
const TOGETHER = 2 ** 20 / BLOCK_SIZE

export const prepare: Prepare<BareWriteData> = ({ work }) => {
  const { count, order, wanted } = work
  const fds = work.paths.map((path) => openToWrite(path, work.direct))
  const next = blocksOf(work)
  const pages = Math.ceil((count * BLOCK_SIZE) / PAGE)
  // Aligned for O_DIRECT. Every page is written, because untouched pages all map to one zero page that is always
  // cached.
  const memory = new Uint8Array(
    new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer,
  ).fill(1)
  const words = new DataView(memory.buffer)
  const step = order === 'neighbours' ? TOGETHER : 1
  const pieces: Uint8Array[] = []
  for (let i = 0; i < count; i += step)
    pieces.push(memory.subarray(i * BLOCK_SIZE, Math.min(count, i + step) * BLOCK_SIZE))
  let blocks: Uint32Array
  let time = 0
  const change = () => {
    blocks = next(time++).sort()
    for (let i = 0; i < count; i++) words.setInt32(i * BLOCK_SIZE, time, true)
  }
  change()
  return {
    batch: 1,
    run() {
      for (const fd of fds) {
        for (let i = 0; i < pieces.length; i++)
          writeSync(fd, pieces[i]!, 0, pieces[i]!.length, blocks[i * step]! * BLOCK_SIZE)
        fsyncSync(fd)
      }
      return count
    },
    expected: (_, operations) => operations * count,
    between() {
      for (const numbers of wanted) for (const block of blocks) numbers[block] = time
      change()
    },
  }
}
