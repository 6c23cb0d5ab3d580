/**
 * How a guard was acquired, as one number. This file contains only an enum, and the build replaces its members by numbers, as
 * those of shared/words.ts.
 */
export enum How {
  READ,
  MODIFY,
  OVERWRITE,
  MODE = 3,
  /** The call may block its thread. */
  SYNC = 4,
  /** The bits above: 1 + the index in writeOrder of the class that it was marked dirty with, 0 if it was not. */
  CLASS_SHIFT = 3,
}
