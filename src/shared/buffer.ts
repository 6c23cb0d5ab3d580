/**
 * The one shared buffer: where it comes from, and where in it the memory map begins.
 *
 *   buffer            from                            its length                      the map begins at
 *   page-aligned      a shared WebAssembly.Memory     a multiple of 65,536 bytes      0
 *   plain             a SharedArrayBuffer             the map's length + 48 bytes     48
 *
 * A plain SharedArrayBuffer begins 16 bytes past a page: records of 64 bytes would lie across two cache lines, so the map begins
 * where the next line does; and blocks can't be read with O_DIRECT. The buffer of a shared WebAssembly.Memory is page-aligned and
 * as fast, but has 4 GiB at most, and V8 reserves 10 GiB of address space for each. So a pool is plain when it is larger, or when
 * the system does not give that much (ulimit -v, --jitless) and no partition is direct.
 *
 * A map's length is a multiple of 512 bytes, the least block: a plain buffer's length is 48 more than that, and never a multiple
 * of 65,536. So each thread tells the kind, and the map's beginning, from the length alone.
 */
import { CacheError } from './errors.js'

const WASM_PAGE = 65536
const WASM_BYTES_MAX = 2 ** 32
const PLAIN_BASE = 48

const alignedLength = (mapBytes: number): number => Math.ceil(mapBytes / WASM_PAGE) * WASM_PAGE
const plainLength = (mapBytes: number): number => mapBytes + PLAIN_BASE

/** Whether the frames of a map of so many bytes can begin at the bounds of pages, as O_DIRECT wants them. */
export const mayBeAligned = (mapBytes: number): boolean => mapBytes <= WASM_BYTES_MAX

/** Whether a buffer of so many bytes is one for a map of so many bytes. */
export const isBufferFor = (byteLength: number, mapBytes: number): boolean =>
  byteLength === plainLength(mapBytes) || (mayBeAligned(mapBytes) && byteLength === alignedLength(mapBytes))

/** Where the map begins in a buffer of so many bytes: the length of a plain one is never a multiple of a page. */
export const baseOf = (byteLength: number): number => (byteLength % WASM_PAGE === 0 ? 0 : PLAIN_BASE)

/** Views of the map in a buffer. All addresses are bytes of the map: only here is known where in the buffer it begins. */
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

/**
 * A buffer for a map of so many bytes, all zero. `mustBeAligned`: blocks are read with O_DIRECT.
 * @throws ERR_DCACHE_MEMORY when the system does not give as much
 */
export function newBuffer(mapBytes: number, mustBeAligned: boolean): SharedArrayBuffer {
  try {
    if (mayBeAligned(mapBytes)) return alignedBuffer(mapBytes)
  } catch (cause) {
    if (!mustBeAligned) return plainBuffer(mapBytes)
    throw new CacheError(
      'ERR_DCACHE_MEMORY',
      `the system does not give a page-aligned buffer of ${alignedLength(mapBytes)} bytes, which takes 10 GiB of address space beside; allow that (ulimit -v, no --jitless), or open without direct`,
      { cause },
    )
  }
  return plainBuffer(mapBytes)
}

/** @throws RangeError, ReferenceError where there is no WebAssembly */
function alignedBuffer(bytes: number): SharedArrayBuffer {
  const pages = alignedLength(bytes) / WASM_PAGE
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer
}

function plainBuffer(mapBytes: number): SharedArrayBuffer {
  const bytes = plainLength(mapBytes)
  try {
    return new SharedArrayBuffer(bytes)
  } catch (cause) {
    throw new CacheError('ERR_DCACHE_MEMORY', `the system does not give a shared buffer of ${bytes} bytes`, {
      cause,
    })
  }
}

/**
 * At least so many bytes for this thread's direct reads and writes, from a page's first on.
 * @throws ERR_DCACHE_MEMORY
 */
export function alignedBytes(bytes: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(newBuffer(bytes, true))
}
