/**
 * The one shared buffer: where it comes from, and where in it the memory map begins.
 *
 * A plain SharedArrayBuffer begins 16 bytes past a page: records of 64 bytes would lie across two cache lines, and blocks
 * could not be read with O_DIRECT. The buffer of a shared WebAssembly.Memory is page-aligned and as fast, but has 4 GiB
 * at most. So larger pools are plain, and their map begins where the next cache line does.
 */
import { CacheError } from './errors.js'

const WASM_PAGE = 65536
const WASM_BYTES_MAX = 2 ** 32
const PLAIN_BASE = 48

/** Bytes of the buffer for a map of so many bytes. */
export const bufferBytes = (mapBytes: number): number =>
  mapBytes <= WASM_BYTES_MAX ? Math.ceil(mapBytes / WASM_PAGE) * WASM_PAGE : mapBytes + PLAIN_BASE

/** Whether the frames of a map of so many bytes begin at the bounds of pages, as O_DIRECT wants them. */
export const isPageAligned = (mapBytes: number): boolean => mapBytes <= WASM_BYTES_MAX

/** Views of the map in a buffer. All addresses are bytes of the map: only here is known where in the buffer it begins. */
export class MapViews {
  readonly #buffer: SharedArrayBuffer
  readonly #base: number

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer
    this.#base = buffer.byteLength <= WASM_BYTES_MAX ? 0 : PLAIN_BASE
  }

  bytes(at: number, length: number): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.#buffer, this.#base + at, length)
  }
  words(at: number, length: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.#buffer, this.#base + at, length)
  }
  doubles(at: number, length: number): Float64Array<SharedArrayBuffer> {
    return new Float64Array(this.#buffer, this.#base + at, length)
  }
}

/**
 * A buffer for a map of so many bytes, all zero.
 * @throws ERR_DCACHE_MEMORY when the system does not give as much
 */
export function newBuffer(mapBytes: number): SharedArrayBuffer {
  const bytes = bufferBytes(mapBytes)
  try {
    if (bytes > WASM_BYTES_MAX) return new SharedArrayBuffer(bytes)
    const pages = bytes / WASM_PAGE
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer
  } catch (cause) {
    throw new CacheError('ERR_DCACHE_MEMORY', `the system does not give a shared buffer of ${bytes} bytes`, {
      cause,
    })
  }
}

/** At least so many bytes for this thread's direct reads and writes, from a page's first on. */
export function alignedBytes(bytes: number): Uint8Array<SharedArrayBuffer> {
  const pages = Math.ceil(bytes / WASM_PAGE)
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer)
}
