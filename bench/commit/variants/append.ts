/**
 * The floor of a commit: its bytes are appended to a file, and one fsync follows if it is durable. All lanes append to one file and
 * take their places in turn. A file that was written before is used again from its beginning; another one becomes longer.
 */
import { fsyncSync, openSync, writeSync } from 'node:fs'
import type { Prepare } from '../../harness/task.js'
import { BLOCK_SIZE, Commits, type CommitWork } from './commit-work.js'

export interface AppendData {
  readonly work: CommitWork
  /** Bytes in front of the blocks of a commit. */
  readonly headerBytes: number
  /** The size of the file that was written before; 0: it becomes longer. */
  readonly fileBytes: number
  /** How many appends there were. */
  readonly count: Int32Array<SharedArrayBuffer>
}

export const prepare: Prepare<AppendData> = ({ work, headerBytes, fileBytes, count }, { lane }) => {
  const commits = new Commits(work, lane)
  const fd = openSync(work.path, 'r+')
  const bytes = Buffer.alloc(headerBytes + work.size * BLOCK_SIZE)
  const places = fileBytes === 0 ? Infinity : Math.floor(fileBytes / bytes.length)
  return {
    batch: 1,
    run() {
      commits.next()
      for (let at = headerBytes; at < bytes.length; at += BLOCK_SIZE) commits.image.copy(bytes, at)
      const place = Atomics.add(count, 0, 1)
      const position = (places === Infinity ? place : place % places) * bytes.length
      writeSync(fd, bytes, 0, bytes.length, position)
      if (work.isDurable) fsyncSync(fd)
      return 1
    },
    expected: (_, done) => done,
  }
}
