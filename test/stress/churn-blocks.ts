// The blocks of the churn, and what is known of them.

export const BLOCK = 512
export const NAMES = ['c0', 'c1', 'c2', 'c3', 'c4', 'c5']
export const BLOCKS_MAX = 64

export interface ChurnStart {
  /** By name and block: how often it was changed, at most; one less if a thread died in the middle of a change. */
  readonly truth: Int32Array<SharedArrayBuffer>
  /** First word 1: end. Second: how many calls succeeded. */
  readonly control: Int32Array<SharedArrayBuffer>
  readonly seed: number
}

export const truthAt = (name: number, block: number): number => name * BLOCKS_MAX + block

/** Writes a block: its partition's name, its number, its count, and the count in every other byte. */
export function put(bytes: Uint8Array, name: number, block: number, count: number): void {
  bytes.fill(count & 255)
  const words = new DataView(bytes.buffer, bytes.byteOffset)
  words.setUint32(0, name + 1)
  words.setUint32(4, block)
  words.setUint32(8, count)
}

/** Checks that a block is whole and the right one; returns its count. A block that was never changed is zeros. */
export function assertWhole(bytes: Uint8Array, name: number, block: number): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset)
  const count = words.getUint32(8)
  const isZero = words.getUint32(0) === 0 && words.getUint32(4) === 0 && count === 0
  if (!isZero && (words.getUint32(0) !== name + 1 || words.getUint32(4) !== block))
    throw new Error(`block ${block} of ${name} is block ${words.getUint32(4)} of ${words.getUint32(0) - 1}`)
  for (let i = 12; i < BLOCK; i++)
    if (bytes[i] !== (count & 255))
      throw new Error(`block ${block} of ${name} is torn: ${count} and ${bytes[i]!}`)
  return count
}
