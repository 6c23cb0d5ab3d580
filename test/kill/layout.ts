// What the killed process writes and what the verifier expects: a log with dependencies, small enough to check whole.
//
// Each worker has LANES data blocks and one directory block in the other partition, and counts its changes. Change n
// stamps data block n % LANES with n (class 'data'), then the directory block with n (class 'directory'): a directory
// that says d is only right if each data block is at least at its last change up to d.

export const WORKERS = 3
export const LANES = 24
export const DATA_BLOCK = 8192
export const DIRECTORY_BLOCK = 4096
/** Bytes of a stamp's sector: a stamp is repeated in each, so that a torn block shows. */
export const SECTOR = 512
/** Changes between two flushes. */
export const BATCH = 40

export const dataBlock = (worker: number, change: number): number => worker * LANES + (change % LANES)

/** The number a data block must have reached when change `upTo` of a run from `base` has happened; 0 if untouched. */
export function lastChange(lane: number, base: number, upTo: number): number {
  const last = upTo - ((((upTo - lane) % LANES) + LANES) % LANES)
  return last > base ? last : 0
}
