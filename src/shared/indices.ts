/**
 * Types for indices, by what they count.
 */
declare const kind: unique symbol
/** A number that counts one kind of thing. An index of another kind does not compile in its place. */
export type Index<Kind extends string> = number & { readonly [kind]?: Kind }

/** A block frame: 0 .. blocks-1. Shared words contain it plus one, and 0 for none. */
export type FrameIndex = Index<'frame'>
/** A spare: 0 .. spares-1, or a loan: spares .. spares+loans-1. Shared words contain it plus one, and 0 for none. */
export type SpareIndex = Index<'spare'>
/** A thread slot: 0 .. slots-1. Lock words contain it plus one, and 0 if the lock is free. */
export type SlotIndex = Index<'slot'>
