/**
 * The contents of the blocks of a run: each sector has its block, its number and its version, so that any mixture of bytes
 * is recognised. A sector of zeros is version 0, the state of a new disk.
 */

export const SECTOR = 512
/** What `sectorVersion` returns for bytes that no client released. */
export const BROKEN = -1

const WORDS = SECTOR / 4
const MAGIC = 0x5ec70000

/** The words of a sector after the first three, computed from these. */
const mix = (seed: number, i: number): number => Math.imul(seed ^ (i * 0x9e3779b1), 0x85ebca6b)

const wordsOf = (block: Uint8Array, sector: number): Int32Array =>
  new Int32Array(block.buffer, block.byteOffset + sector * SECTOR, WORDS)

const nameOf = (partition: number, block: number, sector: number): number =>
  MAGIC ^ (partition << 12) ^ (block << 4) ^ sector

export function fillSector(
  data: Uint8Array,
  partition: number,
  block: number,
  sector: number,
  version: number,
): void {
  const words = wordsOf(data, sector)
  const name = nameOf(partition, block, sector)
  words[0] = name
  words[1] = version
  for (let i = 2; i < WORDS; i++) words[i] = mix(name + version, i)
}

/** Writes bytes that may be on no disk: those of a change that is unfinished or will be discarded. */
export function scribble(data: Uint8Array, sector: number, seed: number): void {
  wordsOf(data, sector).fill(seed | 1)
}

export function sectorVersion(data: Uint8Array, partition: number, block: number, sector: number): number {
  const words = wordsOf(data, sector)
  const name = nameOf(partition, block, sector)
  if (words[0] === 0) return words.every((word) => word === 0) ? 0 : BROKEN
  const version = words[1]!
  if (words[0] !== name) return BROKEN
  for (let i = 2; i < WORDS; i++) if (words[i] !== mix(name + version, i)) return BROKEN
  return version
}

export function sectorVersions(data: Uint8Array, partition: number, block: number): number[] {
  return Array.from({ length: data.length / SECTOR }, (_, sector) =>
    sectorVersion(data, partition, block, sector),
  )
}
