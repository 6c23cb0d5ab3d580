/**
 * How a guard was acquired, in one number. Only an enum stands here: the build puts its numbers in place of the names, as
 * those of shared/words.ts.
 */
export enum How {
  READ,
  MODIFY,
  OVERWRITE,
  MODE = 3,
  /** Its thread may sleep for it. */
  SYNC = 4,
  /** Above it 1 + the place of the class in writeOrder that it was marked with, 0 not marked. */
  CLASS_SHIFT = 3,
}
