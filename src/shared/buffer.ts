/**
 * The shared buffer: how it is allocated, and where the memory map begins in it.
 *
 *   buffer            allocated as                    length                          the map begins at byte
 *   page-aligned      a shared WebAssembly.Memory     a multiple of 65,536 bytes      0
 *   plain             a SharedArrayBuffer             the map's length + 48 bytes     48
 *
 * A plain SharedArrayBuffer begins 16 bytes past a page. Records of 64 bytes would straddle two cache lines, so the map
 * begins at the next line; and blocks cannot be read with O_DIRECT. The buffer of a shared WebAssembly.Memory is page-aligned
 * and as fast, but is limited to 4 GiB, and V8 reserves 10 GiB of address space for each. So the buffer is plain if it must
 * be larger, or if the system does not allow the reservation (ulimit -v, --jitless) and no partition is direct.
 *
 * The length of a map is a multiple of 512 bytes, the smallest block. The length of a plain buffer is 48 more than that, and
 * so never a multiple of 65,536: a thread can tell the kind of a buffer, and where its map begins, from the length alone.
 */
import { CacheError } from './errors.js'

const WASM_PAGE = 65536
const WASM_BYTES_MAX = 2 ** 32
const PLAIN_BASE = 48

const alignedLength = (mapBytes: number): number => Math.ceil(mapBytes / WASM_PAGE) * WASM_PAGE
const plainLength = (mapBytes: number): number => mapBytes + PLAIN_BASE

/** Whether a map of this many bytes can have its frames on page boundaries, as O_DIRECT requires. */
export const mayBeAligned = (mapBytes: number): boolean => mapBytes <= WASM_BYTES_MAX

/** Whether a buffer of `byteLength` bytes can hold exactly a map of `mapBytes` bytes. */
export const isBufferFor = (byteLength: number, mapBytes: number): boolean =>
  byteLength === plainLength(mapBytes) || (mayBeAligned(mapBytes) && byteLength === alignedLength(mapBytes))

/** Where the map begins in a buffer of this many bytes. The length of a plain buffer is never a multiple of a page. */
export const baseOf = (byteLength: number): number => (byteLength % WASM_PAGE === 0 ? 0 : PLAIN_BASE)

/** Views of the map. All addresses are byte offsets in the map; only this class knows where the map begins in the buffer. */
export class MapViews {
  readonly #buffer: SharedArrayBuffer
  /** Where the map begins in the buffer, bytes. */
  readonly base: number

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer
    this.base = baseOf(buffer.byteLength)
  }

  bytes(at: number, length: number): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.#buffer, this.base + at, length)
  }
  words(at: number, length: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.#buffer, this.base + at, length)
  }
  doubles(at: number, length: number): Float64Array<SharedArrayBuffer> {
    return new Float64Array(this.#buffer, this.base + at, length)
  }
}

/** What a map stands in. Another thread needs the memory itself, and not only its buffer, to use memory.copy on it. */
export interface MapMemory {
  readonly buffer: SharedArrayBuffer
  /** Of a page-aligned buffer; its `buffer` is the one above, in the thread that allocated it. */
  readonly memory?: WebAssembly.Memory | undefined
}

/**
 * Allocates a zeroed buffer for a map of `mapBytes` bytes. `mustBeAligned`: blocks are read with O_DIRECT.
 * @throws ERR_DCACHE_MEMORY if the system cannot allocate it
 */
export function newMemory(mapBytes: number, mustBeAligned: boolean): MapMemory {
  try {
    if (mayBeAligned(mapBytes)) return alignedMemory(mapBytes)
  } catch (cause) {
    if (!mustBeAligned) return { buffer: plainBuffer(mapBytes) }
    throw new CacheError(
      'ERR_DCACHE_MEMORY',
      `the system cannot allocate a page-aligned buffer of ${alignedLength(mapBytes)} bytes, which also reserves 10 GiB of address space; raise the limit (ulimit -v), run without --jitless, or open the partitions without direct`,
      { cause },
    )
  }
  return { buffer: plainBuffer(mapBytes) }
}

/** @throws RangeError; ReferenceError if there is no WebAssembly */
function alignedMemory(bytes: number): MapMemory {
  const pages = alignedLength(bytes) / WASM_PAGE
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  return { buffer: memory.buffer, memory }
}

function plainBuffer(mapBytes: number): SharedArrayBuffer {
  const bytes = plainLength(mapBytes)
  try {
    return new SharedArrayBuffer(bytes)
  } catch (cause) {
    const message = `the system cannot allocate a shared buffer of ${bytes} bytes`
    throw new CacheError('ERR_DCACHE_MEMORY', message, { cause })
  }
}

/**
 * Allocates at least `bytes` bytes, page-aligned, for direct reads and writes of this thread.
 * @throws ERR_DCACHE_MEMORY
 */
export function alignedBytes(bytes: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(newMemory(bytes, true).buffer)
}
