/**
 * Names of threads, for messages and holders(): UTF-8 in the shared buffer, padded with zeros. Only the slot's thread writes
 * its name. Another thread that reads it while the slot changes hands may see parts of two names.
 */
import type { Arena } from './arena.js'
import type { SlotIndex } from './indices.js'
import { Slot } from './words.js'

const encoder = new TextEncoder()

/** Names the thread of a slot. A name that is too long is truncated between characters; '' means no name. */
export function setSlotName(arena: Arena, slot: SlotIndex, name: string): void {
  const bytes = arena.nameBytes(slot)
  const encoded = encoder.encode(name)
  let length = Math.min(encoded.length, bytes.length)
  while (length < encoded.length && (encoded[length]! & 0xc0) === 0x80) length--
  bytes.fill(0)
  bytes.set(encoded.subarray(0, length))
}

/** The name of a thread, '' if it has none. */
export function slotName(arena: Arena, slot: SlotIndex): string {
  const bytes = Buffer.from(arena.nameBytes(slot)) // a copy, because the name may change while it is decoded
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}

/** `thread 7 'indexer' (slot 5)`. */
export function threadText(arena: Arena, slot: SlotIndex): string {
  const name = slotName(arena, slot)
  return `thread ${arena.words[arena.slotAt(slot) + Slot.threadId]!}${name && ` '${name}'`} (slot ${slot})`
}
