/**
 * The flight recorder of a cache that a command opens with a monitor: some minutes of an ordinary load, without the points of single
 * blocks, so hits cost what they cost without it. 4 MiB.
 */
export const RECORDER = { traceEntries: 65_536, traceBlocks: false } as const
