// Page 0: which pages are in use, one bit for each. Page 1 is the root of the tree, and stays it.

import { PAGE } from './node.mjs'

export const MAP = 0
export const ROOT = 1
export const MAGIC = Buffer.from('dcache examples/kv 1')
const BITS_AT = 64
/** A larger store has several pages of bits. */
export const PAGES_MAX = (PAGE - BITS_AT) * 8

/** The bits of page 0. */
export class PageMap {
  constructor(bytes) {
    this.bytes = bytes
  }

  has(page) {
    return ((this.bytes[BITS_AT + (page >> 3)] >> (page & 7)) & 1) === 1
  }

  set(page, isUsed) {
    const bit = 1 << (page & 7)
    if (isUsed) this.bytes[BITS_AT + (page >> 3)] |= bit
    else this.bytes[BITS_AT + (page >> 3)] &= ~bit
  }
}
