/**
 * The device port: what the cache needs of a partition's storage. Positions and lengths are bytes within the partition,
 * multiples of its block size. A call either does all it was asked, or throws the system's error.
 */
export interface Device {
  /** Fills the targets one behind the other. @throws the system's error; a short read is one, and any part may be filled */
  readSync(targets: readonly Uint8Array[], position: number): void
  read(targets: readonly Uint8Array[], position: number): Promise<void>
  /**
   * Writes the sources one behind the other, from the thread of the partition's writer only. A short write is continued,
   * or throws; then any part may be written.
   */
  writeSync(sources: readonly Uint8Array[], position: number): void
  /** Returns when all that was written is durable. */
  syncSync(): void
}
