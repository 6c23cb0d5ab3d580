/**
 * The scenarios: small programs of two clients, and how often each fault may happen in a run.
 */

export interface Operation {
  readonly kind: 'acquire' | 'release' | 'discard' | 'unchanged' | 'write' | 'flush' | 'forget'
  /** The block, -1 if none. */
  readonly block: number
  /** The class of a release; class 1 is written first. */
  readonly writeClass: number
  /** The half that an acquire declares, -1 for the whole block. */
  readonly half: number
  /** Whether the client changes the block after this acquire. */
  readonly changes: boolean
  /**
   * Of a release: whether its thread may wait for the mutex. Of an acquire: whether it waits for the round that writes an
   * older image of another class.
   */
  readonly isPatient: boolean
}

/** How often each event may happen in one run. Every failure may be retried once. The flush worker is also the reaper. */
export interface Limits {
  readonly clientDeaths?: number
  readonly flushWorkerDeaths?: number
  readonly writerDeaths?: number
  readonly failedWrites?: number
  readonly failedSyncs?: number
  readonly evictions?: number
  readonly kicks?: number
}

export interface Scenario {
  readonly name: string
  /** The partition of each block. */
  readonly partitionOf: readonly number[]
  readonly spares: number
  /** The script of each client. */
  readonly scripts: readonly (readonly Operation[])[]
  readonly budget: Limits
}

const operation = (kind: Operation['kind'], rest: Partial<Operation> = {}): Operation => ({
  kind,
  block: -1,
  writeClass: 0,
  half: -1,
  changes: true,
  isPatient: true,
  ...rest,
})

export const hold = (block: number): Operation => operation('acquire', { block })
export const give = (block: number, writeClass: number): Operation =>
  operation('release', { block, writeClass })
export const change = (block: number, writeClass: number): Operation[] => [
  hold(block),
  give(block, writeClass),
]
/** By a thread that continues although an older image has another class. */
const changeNow = (block: number, writeClass: number): Operation[] => [
  operation('acquire', { block, isPatient: false }),
  give(block, writeClass),
]
/** Only one half of the block is declared and changed. */
export const changeHalf = (block: number, half: number, writeClass: number): Operation[] => [
  operation('acquire', { block, half }),
  give(block, writeClass),
]
/** By a thread that may not wait for the mutex. */
export const changeAsync = (block: number, writeClass: number): Operation[] => [
  hold(block),
  operation('release', { block, writeClass, isPatient: false }),
]
export const discard = (block: number): Operation[] => [hold(block), operation('discard', { block })]
const discardAsync = (block: number): Operation[] => [
  hold(block),
  operation('discard', { block, isPatient: false }),
]
export const discardHalf = (block: number, half: number): Operation[] => [
  operation('acquire', { block, half }),
  operation('discard', { block }),
]
/** Acquired and released without a mark. */
export const look = (block: number): Operation[] => [
  operation('acquire', { block, changes: false }),
  operation('unchanged', { block }),
]
/** A write of the first class, without an image: of the whole block or of one half. */
export const write = (block: number, half = -1): Operation =>
  operation('write', { block, half, writeClass: 1 })
export const forget = (block: number): Operation => operation('forget', { block })
export const flush = operation('flush')

/** The programs, with two blocks in two partitions by default. */
const programs = {
  /** The second block depends on the first. */
  dependency: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...change(0, 1), ...change(1, 2), flush],
      [...change(0, 1), ...change(1, 2)],
    ],
  },
  /** A block is changed while a flush of it is under way. */
  held: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...change(0, 1), hold(0), flush, give(0, 1), flush],
      [...change(0, 1), ...change(1, 2)],
    ],
  },
  /** A dirty block of the first class is changed again and again, by threads with spares of their own. */
  hot: {
    partitionOf: [0, 1],
    spares: 4,
    scripts: [
      [...change(0, 1), ...change(0, 1), ...change(0, 1), flush],
      [...change(0, 1), ...change(1, 2), flush],
    ],
  },
  hotDiscarded: {
    partitionOf: [0, 1],
    spares: 4,
    scripts: [
      [...change(0, 1), ...discard(0), ...look(0), ...changeHalf(0, 1, 1), flush],
      [...change(0, 1), ...discardHalf(0, 0), flush],
    ],
  },
  /** Writes without an image. */
  written: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [write(0), write(0, 1), ...change(1, 2), flush],
      [write(0), ...change(0, 1), write(0, 0), flush],
    ],
  },
  writtenClassChange: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [write(0), ...change(1, 2), write(0), flush],
      [...change(0, 2), write(0), forget(0), write(0)],
    ],
  },
  /** A block has moved to the first class, and is written again without an image. */
  writtenOverAnother: {
    partitionOf: [0, 1],
    spares: 4,
    scripts: [
      [...changeNow(0, 2), ...changeNow(0, 1), ...changeNow(1, 2), ...changeNow(1, 1), write(0), flush],
      [flush],
    ],
  },
  /** A block changes its class while it is dirty. */
  classChange: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...change(0, 1), ...change(1, 2), flush],
      [...change(0, 2), ...change(0, 1), flush],
    ],
  },
  /** The class changes back: the thread waits for the older image. */
  flip: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...change(0, 1), ...change(0, 2), ...change(0, 1), ...change(1, 2), flush],
      [...change(1, 1), flush],
    ],
  },
  /** The class changes back without a wait: several images of one block are unwritten. */
  chain: {
    partitionOf: [0, 1],
    spares: 3,
    scripts: [
      [...changeNow(0, 1), ...changeNow(0, 2), ...changeNow(0, 1), ...changeNow(1, 2), flush],
      [flush],
    ],
  },
  /** Three images of a block with different classes, and a change that depends on the second. */
  threeImages: {
    partitionOf: [0, 1],
    spares: 3,
    scripts: [
      [...changeNow(0, 1), ...changeNow(0, 2), ...changeNow(1, 3), ...changeNow(0, 3), flush],
      [flush],
    ],
  },
  /** A class change closes an epoch and is forgotten, while an earlier one is pending. */
  vanishedChange: {
    partitionOf: [0, 1, 0],
    spares: 3,
    scripts: [
      [...changeNow(0, 2), ...changeNow(0, 1), ...changeNow(1, 2), ...changeNow(0, 1), flush],
      [...changeNow(2, 1), ...changeNow(2, 2), forget(2), flush],
    ],
  },
  /** A class change ends an epoch while the next image of another block, which has changed its class, is being made. */
  endedEpoch: {
    partitionOf: [0, 1, 0],
    spares: 4,
    scripts: [
      [...changeNow(0, 2), ...changeNow(0, 1), ...changeNow(1, 2), ...changeNow(0, 1), flush],
      [...changeNow(2, 1), ...changeNow(2, 2)],
    ],
  },
  /** Three classes, three blocks. */
  three: {
    partitionOf: [0, 1, 0],
    spares: 2,
    scripts: [
      [...change(0, 1), ...change(1, 2), ...change(2, 3)],
      [...change(0, 1), ...change(1, 2), flush],
    ],
  },
  discarded: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...change(0, 1), ...discard(0), ...change(1, 2), flush],
      [...change(0, 1), flush],
    ],
  },
  /** One spare for two changes of one thread. */
  nested: {
    partitionOf: [0, 1],
    spares: 1,
    scripts: [
      [...change(0, 1), ...change(1, 2), hold(0), hold(1), give(1, 2), give(0, 1), flush],
      change(0, 1),
    ],
  },
  unchanged: {
    partitionOf: [0, 1],
    spares: 1,
    scripts: [
      [...change(0, 1), ...look(0), ...change(1, 2), flush],
      [...look(0), ...change(0, 2)],
    ],
  },
  /** Halves of one block, declared. */
  declared: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...change(0, 1), ...changeHalf(0, 0, 1), ...changeHalf(0, 1, 2), flush],
      [...changeHalf(0, 1, 1), ...discardHalf(0, 0), ...change(1, 2)],
    ],
  },
  /** Deferred releases. */
  left: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...changeAsync(0, 1), ...changeAsync(1, 2), flush],
      [...change(0, 1), ...change(1, 2)],
    ],
  },
  leftMixed: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...changeAsync(0, 1), ...change(1, 2), ...changeAsync(0, 2)],
      [...change(0, 1), ...discardAsync(0), flush],
    ],
  },
  /** A deferred release changes the class, and the next release depends on it. */
  leftBefore: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [[...changeAsync(0, 1), ...change(1, 2), flush], change(0, 2)],
  },
  leftClassChange: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...changeAsync(0, 2), ...changeAsync(1, 1), ...changeAsync(0, 1), ...changeAsync(1, 2), flush],
      [...change(0, 1)],
    ],
  },
  /** A block is forgotten while a round writes it, and then used again. */
  forgotten: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...change(0, 1), ...change(1, 2), flush],
      [...change(0, 1), forget(0), ...change(0, 2), forget(1), flush],
    ],
  },
  /** While a round writes a block of the first class, it is changed again, changes its class, and is forgotten. */
  forgottenClassChange: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [
      [...change(0, 1), ...change(1, 2), flush],
      [...change(0, 1), ...changeNow(0, 2), forget(0), ...change(0, 1), flush],
    ],
  },
  /** While a round writes a block of the first class, it is changed again, and its class changes there and back. */
  hotClassChange: {
    partitionOf: [0, 1],
    spares: 3,
    scripts: [
      [...change(0, 1), ...change(1, 2), flush],
      [...change(0, 1), ...changeNow(0, 2), ...changeNow(0, 1), ...changeNow(0, 1), flush],
    ],
  },
  /** A class change of another block ends the cut before the newest image of a block of the first class. */
  besideClassChange: {
    partitionOf: [0, 1, 0],
    spares: 2,
    scripts: [
      [...change(0, 1), ...change(1, 2), ...change(0, 1)],
      [...change(2, 1), ...changeNow(2, 2), flush],
    ],
  },
  /** As before, with two class changes: there are two cuts before the newest image. */
  twoClassChanges: {
    partitionOf: [0, 1, 0],
    spares: 3,
    scripts: [
      [write(0), write(0), ...change(1, 2), write(0)],
      [...changeNow(2, 1), ...changeNow(2, 2), ...changeNow(2, 1), flush],
    ],
  },
  /** A block that has moved to the first class is changed again, before and after a class change that closes its epoch. */
  hotBesideClassChange: {
    partitionOf: [0, 1],
    spares: 4,
    scripts: [
      [
        ...changeNow(0, 2),
        ...changeNow(0, 1),
        ...changeNow(1, 2),
        ...changeNow(1, 1),
        ...changeNow(0, 1),
        flush,
      ],
      [],
    ],
  },
  /** A block that depends on another one moves to the first class. */
  toFirstClass: {
    partitionOf: [0, 1],
    spares: 2,
    scripts: [[...change(1, 1), ...changeNow(0, 2), ...changeNow(0, 1), flush], [flush]],
  },
} as const

export type Program = keyof typeof programs

export function scenario(program: Program, budget: Limits): Scenario {
  const limits = Object.entries(budget).map(([name, times]) => `${name} ${times as number}`)
  return { name: [program, ...limits].join(', '), budget, ...programs[program] }
}

/** Every program, with each of these limits. */
const grid = (names: readonly Program[], budgets: readonly Limits[]): Scenario[] =>
  names.flatMap((program) => budgets.map((budget) => scenario(program, budget)))

const all = Object.keys(programs) as Program[]

/** Scenarios with one fault, explored completely. */
export const small = grid(
  all.filter((program) => !['vanishedChange', 'twoClassChanges', 'endedEpoch'].includes(program)),
  [
    { kicks: 1 },
    { failedSyncs: 1 },
    { failedWrites: 1 },
    { clientDeaths: 1 },
    { writerDeaths: 1 },
    { flushWorkerDeaths: 1 },
  ],
)

/** Scenarios with several faults. */
export const large = grid(all, [
  { failedSyncs: 1, kicks: 1 },
  { failedWrites: 1, evictions: 2, kicks: 1 },
  { clientDeaths: 1, kicks: 1 },
  { clientDeaths: 1, failedSyncs: 1 },
  { clientDeaths: 1, flushWorkerDeaths: 1 },
  { clientDeaths: 2 },
  { flushWorkerDeaths: 1, writerDeaths: 1 },
  { flushWorkerDeaths: 1, failedSyncs: 1 },
  { writerDeaths: 1, failedSyncs: 1 },
])
