// Runs that once failed, shrunk. Their names say what went wrong.

import type { Mode } from 'dcache'
import type { Access, Command, Setup } from './commands.js'

export interface Regression {
  readonly name: string
  readonly setup: Setup
  readonly commands: readonly Command[]
}

const setup: Setup = { blocks: 6, dirtyLimit: 2 / 3, isSplit: false, policy: 'lru2' }

/** An access to a whole block, with changes. */
function access(partition: number, block: number, mode: Mode, more: Partial<Access> = {}): Access {
  return {
    partition,
    block,
    mode,
    start: 0,
    length: 16,
    isDeclared: false,
    isImpatient: false,
    seed: 1,
    writeClass: 0,
    ending: 'mark',
    ...more,
  }
}

const change = (partition: number, block: number): Command => ({
  op: 'access',
  access: access(partition, block, 'modify'),
})
const write = (partition: number, position: number, length: number): Command => ({
  op: 'writeBytes',
  partition,
  position,
  length,
  seed: 1,
  writeClass: 0,
})

export const regressions: readonly Regression[] = [
  {
    name: 'a block with unwritten changes is forgotten, and its frame goes to another group',
    setup: { ...setup, isSplit: true },
    commands: [
      { op: 'access', access: access(0, 0, 'overwrite', { ending: 'discard' }) },
      change(1, 0),
      { op: 'access', access: access(1, 1, 'overwrite', { ending: 'clean', length: 0 }) },
      change(1, 2),
      { op: 'kick' },
      { op: 'access', access: access(0, 0, 'overwrite') },
      { op: 'flusher' },
      { op: 'access', access: access(0, 1, 'modify', { isImpatient: true }) },
      change(1, 3),
      { op: 'forget', partition: 1, block: 0, count: 3 },
      { op: 'forget', partition: 0, block: 1, count: 1 },
      { op: 'access', access: access(1, 0, 'modify', { isImpatient: true, ending: 'clean', length: 0 }) },
      { op: 'access', access: access(0, 2, 'overwrite', { writeClass: 1 }) },
    ],
  },
  {
    name: 'adaptive: all blocks of NEW are held, and the search goes no further',
    setup: { ...setup, policy: 'adaptive' },
    commands: [
      { op: 'hold', access: access(0, 0, 'modify') },
      write(0, 3072, 513),
      write(0, 4934, 1211),
      { op: 'readBytes', partition: 0, position: 11546, length: 2791, seed: 1, writeClass: 0 },
      { op: 'hold', access: access(0, 13, 'overwrite') },
    ],
  },
  {
    name: 'a fence is lifted during a round that had found it',
    setup: { ...setup, dirtyLimit: 1 },
    commands: [
      change(1, 0),
      { op: 'fail', partition: 1, call: 'sync' },
      { op: 'flush', partition: undefined },
      change(0, 0),
      change(0, 4),
      change(0, 2),
      change(0, 3),
      { op: 'duringWrite', access: access(0, 1, 'overwrite') },
      { op: 'retry' },
    ],
  },
]

/** Failed runs of the engine with workers. */
export const engineRegressions: readonly Regression[] = [
  {
    name: 'a file shows another version on reopening than the one that is written next',
    setup,
    commands: [
      { op: 'forget', partition: 1, block: 0, count: 1 },
      { op: 'reopen' },
      write(1, 0, 1),
      { op: 'forget', partition: 1, block: 0, count: 1 },
    ],
  },
]
