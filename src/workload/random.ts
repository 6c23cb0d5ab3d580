/**
 * Random numbers of a load thread: the same for the same seed and stream, on every machine. sfc32, the 'small fast
 * counting' generator of Chris Doty-Humphrey's PractRand: 128 bits of state, passes its tests, and is a few
 * instructions.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** Streams of one seed, one for each thread, have nothing to do with each other. */
  constructor(seed: number, stream: number) {
    this.#a = seed | 0
    this.#b = stream | 0
    this.#c = 0x9e3779b9 | 0
    // The state needs some steps until every bit of it depends on the seed; PractRand takes 12 to 18.
    for (let i = 0; i < 18; i++) this.word()
  }

  /** 32 bits, unsigned. */
  word(): number {
    const mixed = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + mixed) | 0
    return mixed >>> 0
  }

  /** At least 0 and below 1, in steps of 2^-53. */
  unit(): number {
    return ((this.word() >>> 5) * 67108864 + (this.word() >>> 6)) / 9007199254740992
  }

  /** A whole number from 0 to `end - 1`. */
  below(end: number): number {
    return Math.floor(this.unit() * end)
  }

  /** Fills whole words of it. */
  fill(bytes: Uint8Array<ArrayBuffer>): void {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2)
    for (let i = 0; i < words.length; i++) words[i] = this.word()
  }
}
