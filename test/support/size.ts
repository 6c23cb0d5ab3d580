// The two sizes of the tests. `npm test` has the small one: of every suite a part that a change of a line may break, within
// minutes. `npm run test:full` has the normal one, for the files that have a small one; the runner tells by their import of
// this module. What the small size leaves out is printed, so that nothing is passed over silently.

import type { Test } from 'uvu'

export const isSmall = process.env['DCACHE_TEST_SIZE'] === 'small'

/** A number of runs, deaths, seconds, ... */
export const sized = <T>(small: T, normal: T): T => (isSmall ? small : normal)

/** Of a list at the small size `count` items, spread evenly from its first to its last. */
export function sample<T>(list: readonly T[], count: number): readonly T[] {
  if (!isSmall || list.length <= count) return list
  console.log(`# small size: ${count} of ${list.length}`)
  return Array.from(
    { length: count },
    (_, i) => list[Math.round((i * (list.length - 1)) / Math.max(1, count - 1))]!,
  )
}

/** A test that the small size leaves out. */
export function onlyNormal(test: Test, name: string, body: () => void | Promise<void>): void {
  if (isSmall) console.log(`# small size: without '${name}'`)
  else test(name, body)
}
