// What the killed process writes and the verifier expects: a log with dependencies, small enough to be checked completely.
//
// Each worker has LANES data blocks and one directory block in the other partition, and counts its changes. Change n
// stamps data block n % LANES with n (class 'data'), then the directory block with n (class 'directory'): a directory
// at change d is only right if each data block has at least its last change up to d.

export const WORKERS = 3
export const LANES = 24
export const DATA_BLOCK = 8192
export const DIRECTORY_BLOCK = 4096
/** The size of a sector in bytes. The stamp is repeated in each sector, so that a torn block shows. */
export const SECTOR = 512
/** The number of changes between two flushes. */
export const BATCH = 40

export const dataBlock = (worker: number, change: number): number => worker * LANES + (change % LANES)

/** The change that a data block must have reached after change `upTo` of a run from `base`; 0 if it is untouched. */
export function lastChange(lane: number, base: number, upTo: number): number {
  const last = upTo - ((((upTo - lane) % LANES) + LANES) % LANES)
  return last > base ? last : 0
}
