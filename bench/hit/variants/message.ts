/**
 * One thread owns the blocks, and the others request them by message. Each answer is a copy of the block. Each lane has
 * one request in progress at a time.
 */
import type { Prepare } from '../../harness/task.js'
import { expectation, keyHighOf, type Workload } from '../workload.js'

export interface AskData {
  readonly workload: Workload
}

export const prepare: Prepare<AskData> = ({ workload }, { lane, port }) => {
  const sequence = workload.sequences[lane]!
  const mask = sequence.length - 1
  let position = 0
  const answers: ((block: Uint8Array) => void)[] = []
  port!.on('message', (block: Uint8Array) => answers.shift()!(block))
  const ask = (block: number): Promise<Uint8Array> =>
    new Promise((resolve) => {
      answers.push(resolve)
      port!.postMessage(block)
    })
  const run = async (count: number): Promise<number> => {
    let sum = 0
    for (let i = 0; i < count; i++) {
      const block = sequence[position]!
      position = (position + 1) & mask
      sum += (await ask(block))[keyHighOf(block)]!
    }
    return sum
  }
  return { batch: 16, run, expected: expectation(sequence) }
}
