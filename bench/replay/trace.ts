/**
 * A recorded trace as the simulators take it: its blocks are numbered from 0 in the order of their first accesses, so that they can
 * index arrays. A simulator that sees only these numbers cannot depend on what the blocks are called.
 */
export interface Trace {
  /** The number of the block, for each access. */
  readonly ids: Uint32Array
  /** The block that the trace names, for each number. */
  readonly names: Uint32Array
}

/** Numbers the blocks of a trace. It takes 4 bytes an access, and a table of the blocks while it runs. */
export function traceOf(blocks: Uint32Array): Trace {
  const ids = new Uint32Array(blocks.length)
  const known = new Map<number, number>()
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i]!
    let id = known.get(block)
    if (id === undefined) {
      id = known.size
      known.set(block, id)
    }
    ids[i] = id
  }
  return { ids, names: Uint32Array.from(known.keys()) }
}
