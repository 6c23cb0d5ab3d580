/**
 * The device interface: what the cache needs from a partition's storage. Positions and lengths are bytes within the
 * partition, and multiples of its block size. A call either completes or throws the system's error.
 */
export interface Device {
  /** Fills the targets one after the other. @throws the system's error, also for a short read; any part may be filled then */
  readSync(targets: readonly Uint8Array[], position: number): void
  read(targets: readonly Uint8Array[], position: number): Promise<void>
  /**
   * Writes the sources one after the other. Called only by the partition's writer. A short write is continued, or throws; any
   * part may be written then.
   */
  writeSync(sources: readonly Uint8Array[], position: number): void
  /** Returns when everything that was written is durable. */
  syncSync(): void
}
