// The commands of a run of the model test, as plain data, so that a failing run can be printed, shrunk and replayed. Numbers
// are taken modulo the available range, so that every list of commands is valid.

import fc from 'fast-check'
import type { Mode } from 'dcache'

/** How a guard is released. */
export type Ending = 'mark' | 'clean' | 'discard'

/** A block to acquire, what to do with it, and how to release it. */
export interface Access {
  readonly partition: number
  readonly block: number
  readonly mode: Mode
  /** The bytes to change, in sixteenths of the block. */
  readonly start: number
  readonly length: number
  /** Whether acquire declares the range. */
  readonly isDeclared: boolean
  /** Whether the call fails at its first wait. */
  readonly isImpatient: boolean
  /** Determines the bytes that are written. */
  readonly seed: number
  readonly writeClass: number
  readonly ending: Ending
}

export type Command =
  | { readonly op: 'access' | 'try' | 'hold' | 'duringWrite'; readonly access: Access }
  | { readonly op: 'touch'; readonly guard: number; readonly seed: number }
  | { readonly op: 'end'; readonly guard: number; readonly ending: Ending; readonly writeClass: number }
  | {
      readonly op: 'readBytes' | 'writeBytes'
      readonly partition: number
      readonly position: number
      readonly length: number
      readonly seed: number
      readonly writeClass: number
    }
  | {
      readonly op: 'forget' | 'forgetDuringWrite' | 'prefetch'
      readonly partition: number
      readonly block: number
      readonly count: number
    }
  | { readonly op: 'fail'; readonly partition: number; readonly call: 'read' | 'write' | 'sync' }
  | { readonly op: 'writer'; readonly partition: number }
  | { readonly op: 'flush'; readonly partition: number | undefined }
  | { readonly op: 'kick' | 'evict' | 'flusher' | 'reader' | 'retry' | 'reopen' }

/** The cache on which the commands run. */
export interface Setup {
  /** How many blocks the cache holds. */
  readonly blocks: number
  readonly dirtyLimit: number
  /** Whether each partition is a group of its own. */
  readonly isSplit: boolean
  readonly policy: 'lru2' | 'adaptive'
}

const small = fc.nat({ max: 15 })
const seed = fc.integer({ min: 1, max: 2 ** 31 - 1 })
const partition = fc.nat({ max: 1 })
const writeClass = fc.nat({ max: 2 })
const ending = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Ending>('mark') },
  { weight: 1, arbitrary: fc.constant<Ending>('clean') },
  { weight: 1, arbitrary: fc.constant<Ending>('discard') },
)
const access: fc.Arbitrary<Access> = fc.record({
  partition,
  block: fc.nat({ max: 31 }),
  mode: fc.oneof(
    { weight: 2, arbitrary: fc.constant<Mode>('read') },
    { weight: 4, arbitrary: fc.constant<Mode>('modify') },
    { weight: 2, arbitrary: fc.constant<Mode>('overwrite') },
  ),
  start: small,
  length: fc.nat({ max: 16 }),
  isDeclared: fc.boolean(),
  isImpatient: fc.oneof(
    { weight: 7, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
  seed,
  writeClass,
  ending,
})

function withAccess(op: 'access' | 'try' | 'hold' | 'duringWrite'): fc.Arbitrary<Command> {
  return access.map((one) => ({ op, access: one }))
}

function bytes(op: 'readBytes' | 'writeBytes'): fc.Arbitrary<Command> {
  return fc.record({
    op: fc.constant(op),
    partition,
    position: fc.nat({ max: 32767 }),
    length: fc.nat({ max: 3000 }),
    seed,
    writeClass,
  })
}

function blocks(op: 'forget' | 'forgetDuringWrite' | 'prefetch'): fc.Arbitrary<Command> {
  return fc.record({
    op: fc.constant(op),
    partition,
    block: fc.nat({ max: 31 }),
    count: fc.integer({ min: 1, max: 20 }),
  })
}

const of = (command: Command): fc.Arbitrary<Command> => fc.constant(command)

/** Commands for every engine. */
const common: fc.WeightedArbitrary<Command>[] = [
  { weight: 30, arbitrary: withAccess('access') },
  { weight: 5, arbitrary: withAccess('try') },
  { weight: 8, arbitrary: withAccess('hold') },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('touch'), guard: small, seed }) },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('end'), guard: small, ending, writeClass }) },
  { weight: 4, arbitrary: bytes('readBytes') },
  { weight: 6, arbitrary: bytes('writeBytes') },
  { weight: 2, arbitrary: blocks('forget') },
  { weight: 4, arbitrary: blocks('prefetch') },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('flush'),
      partition: fc.option(partition, { nil: undefined }),
    }),
  },
  { weight: 4, arbitrary: of({ op: 'kick' }) },
  { weight: 1, arbitrary: of({ op: 'evict' }) },
  { weight: 1, arbitrary: of({ op: 'reopen' }) },
]

/** Commands for an engine whose workers run only when a command says so. */
const inline: fc.WeightedArbitrary<Command>[] = [
  { weight: 10, arbitrary: of({ op: 'flusher' }) },
  { weight: 4, arbitrary: of({ op: 'reader' }) },
  { weight: 10, arbitrary: fc.record({ op: fc.constant('writer'), partition }) },
  { weight: 8, arbitrary: withAccess('duringWrite') },
  { weight: 1, arbitrary: blocks('forgetDuringWrite') },
  { weight: 3, arbitrary: of({ op: 'retry' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('fail'),
      partition,
      call: fc.constantFrom('read' as const, 'write' as const, 'sync' as const),
    }),
  },
]

export const engineCommands: fc.Arbitrary<Command> = fc.oneof(...common)
export const inlineCommands: fc.Arbitrary<Command> = fc.oneof(...common, ...inline)

export const setups: fc.Arbitrary<Setup> = fc.record({
  blocks: fc.integer({ min: 6, max: 12 }),
  dirtyLimit: fc.constantFrom(2 / 3, 1, 0.3),
  isSplit: fc.boolean(),
  policy: fc.constantFrom('lru2' as const, 'adaptive' as const),
})
