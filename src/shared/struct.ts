/**
 * A record in shared memory is a schema: a list of named 32-bit words. The offset of a field is its place in the
 * list, the record's size is the list's length, rounded up so that records of `alignWords` don't share a cache line
 * where that matters. Comments beside the fields name their guards.
 */
export type Struct<Field extends string> = Readonly<Record<Field, number>> & { readonly WORDS: number }

export function struct<const Field extends string>(
  alignWords: number,
  ...fields: readonly Field[]
): Struct<Field> {
  const offsets = Object.fromEntries(fields.map((field, i) => [field, i])) as Record<Field, number>
  return Object.freeze({ ...offsets, WORDS: Math.ceil(fields.length / alignWords) * alignWords })
}

declare const kind: unique symbol
/** A number that counts one kind of thing: an index of another kind does not compile in its place. */
export type Index<Kind extends string> = number & { readonly [kind]?: Kind }

/** A block frame: 0 .. blocks-1. In shared words it stands plus one, 0 being none. */
export type FrameIndex = Index<'frame'>
/** A spare frame: 0 .. spares-1. In shared words it stands plus one, 0 being none. */
export type SpareIndex = Index<'spare'>
/** A thread slot: 0 .. slots-1. In lock words it stands plus one, 0 being nobody. */
export type SlotIndex = Index<'slot'>
