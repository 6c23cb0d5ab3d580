// Copies and fills of the weak memory, word by word, on a driven thread: the engine makes them by methods of typed arrays.

import { get, put, type Words } from './atomics.js'

const TypedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array
type Bytes = Uint8Array

/** Makes the calling thread's bulk accesses to this buffer go through the weak memory; returns what ends it. */
export function weaken(memory: SharedArrayBuffer): () => void {
  const words: Words = new Int32Array(memory)
  // Called with the array that they are of.
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { set, fill, subarray } = TypedArray
  const bufferFill = (Buffer.prototype as { fill: (...args: unknown[]) => Buffer }).fill
  const isWeak = (array: unknown): array is Bytes =>
    ArrayBuffer.isView(array) && array.buffer === (memory as ArrayBufferLike)

  /** Bytes of the memory as this thread sees them. */
  const seen = ({ byteOffset, byteLength }: ArrayBufferView): Uint8Array => {
    const first = byteOffset >>> 2
    const last = (byteOffset + byteLength + 3) >>> 2
    const copy = new Int32Array(last - first)
    for (let i = first; i < last; i++) copy[i - first] = get(words, i)
    return new Uint8Array(copy.buffer, byteOffset - first * 4, byteLength)
  }

  /** Stores bytes by whole words; the rest of the first and the last one is what this thread sees there. */
  const write = (at: number, bytes: Uint8Array): void => {
    const first = at >>> 2
    const last = (at + bytes.length + 3) >>> 2
    const whole = seen({ byteOffset: first * 4, byteLength: (last - first) * 4 } as ArrayBufferView)
    set.call(whole, bytes, at - first * 4)
    const values = new Int32Array(whole.buffer)
    // A word that no thread has written keeps its value without a write.
    for (let i = first; i < last; i++)
      if (values[i - first] !== get(words, i)) put(words, i, values[i - first]!)
  }

  const bytesOf = (source: ArrayBufferView): Uint8Array =>
    isWeak(source) ? seen(source) : new Uint8Array(source.buffer, source.byteOffset, source.byteLength)

  Object.assign(TypedArray, {
    set(this: Bytes, source: Bytes, offset = 0) {
      if (!isWeak(this) && !isWeak(source)) set.call(this, source, offset)
      else if (!isWeak(this)) set.call(this, seen(source), offset)
      else write(this.byteOffset + offset * this.BYTES_PER_ELEMENT, bytesOf(source))
    },
    fill(this: Bytes, value: number, start = 0, end = this.length) {
      if (!isWeak(this)) return fill.call(this, value, start, end)
      const values = this.slice(start, end)
      fill.call(values, value)
      write(this.byteOffset + start * this.BYTES_PER_ELEMENT, bytesOf(values))
      return this
    },
    /** Words are read when the array is made: who takes some of them only reads them. */
    subarray(this: Bytes, start?: number, end?: number) {
      const part = subarray.call(this, start, end) as ArrayBufferView
      if (!isWeak(this) || !((this as unknown) instanceof Int32Array)) return part
      const bytes = seen(part)
      return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    },
  })
  Object.assign(Buffer.prototype, {
    fill(this: Buffer, value: unknown, start = 0, end = this.length) {
      if (!isWeak(this) || !(value instanceof Uint8Array)) return bufferFill.call(this, value, start, end)
      write(this.byteOffset + start, bytesOf(value).subarray(0, end - start))
      return this
    },
  })
  return () => {
    Object.assign(TypedArray, { set, fill, subarray })
    Object.assign(Buffer.prototype, { fill: bufferFill })
  }
}
