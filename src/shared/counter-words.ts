/**
 * What is counted, and where each counter is in its record; see words.ts, of which this is a part.
 */

/** Counters of a slot: doubles, written only by its thread and never reset. A death loses none. */
export enum Counter {
  lookupTimeMs,
  frameStalls,
  latchStalls,
  dirtyStalls,
  spareStalls,
  mutexStalls,
  stallTimeMs,
  flushes,
  evictions,
  prefetched,
  prefetchDropped,
  prefetchUnused,
  fences,
  deaths,
  COUNT,
}

/** Counters of a slot for one partition: as those above; a cache line. */
export enum PartitionCounter {
  hits,
  misses,
  overwrites,
  writes,
  diskReads,
  diskReadBytes,
  diskWrites,
  diskWriteBytes,
  COUNT,
}

/** Counters of a group: doubles, in a cache line. Written by the thread that writes the group's record. */
export enum GroupCounter {
  recordBytes,
  COUNT,
}

/** What a partition has a histogram of. */
export enum Latency {
  read,
  fsync,
  COUNT,
}
