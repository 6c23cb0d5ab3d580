/**
 * The random numbers of a load thread: reproducible on every machine from the seed and the stream. The generator is
 * sfc32 ('small fast counting') of Chris Doty-Humphrey's PractRand. It has 128 bits of state, passes PractRand's tests,
 * and costs a few instructions.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** Different streams of one seed, such as one for each thread, are independent. */
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

  /** Fills `bytes`, except up to 3 bytes at the end that make no whole word. */
  fill(bytes: Uint8Array<ArrayBuffer>): void {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2)
    for (let i = 0; i < words.length; i++) words[i] = this.word()
  }
}
