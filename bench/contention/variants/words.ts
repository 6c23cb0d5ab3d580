/**
 * Plain atomic additions: all lanes to one word, or each lane to a word in its own cache line.
 */
import type { Prepare } from '../../harness/task.js'

export const LINE_WORDS = 16

export interface WordsData {
  readonly words: Int32Array<SharedArrayBuffer>
  readonly isShared: boolean
}

export const prepare: Prepare<WordsData> = ({ words, isShared }, { lane }) => {
  const at = isShared ? 0 : lane * LINE_WORDS
  const run = (count: number): number => {
    for (let i = 0; i < count; i++) Atomics.add(words, at, 1)
    return 0
  }
  return { batch: 1024, run }
}
