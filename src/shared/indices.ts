/**
 * What an index counts, as a type.
 */
declare const kind: unique symbol
/** A number that counts one kind of thing: an index of another kind does not compile in its place. */
export type Index<Kind extends string> = number & { readonly [kind]?: Kind }

/** A block frame: 0 .. blocks-1. In shared words it stands plus one, 0 being none. */
export type FrameIndex = Index<'frame'>
/** A spare frame: 0 .. spares-1. In shared words it stands plus one, 0 being none. */
export type SpareIndex = Index<'spare'>
/** A thread slot: 0 .. slots-1. In lock words it stands plus one, 0 being nobody. */
export type SlotIndex = Index<'slot'>
