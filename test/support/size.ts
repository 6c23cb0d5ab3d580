// The sizes of the tests. `npm test` has the small one: of every suite a part that a change of a line may break, within minutes.
// `npm run test:middle`, which CI runs as well, has about a sixth of the normal one, and `npm run test:full` all of it, both for
// the files that have sizes; the runner tells by their import of this module. What a size leaves out is printed, so that nothing is
// passed over silently.

import type { Test } from 'uvu'

const size = process.env['DCACHE_TEST_SIZE']
export const isSmall = size === 'small'
export const isMiddle = size === 'middle'

const MIDDLE = 6

/** A number of runs, deaths, seconds, ... */
export function sized(small: number, normal: number): number {
  if (isSmall) return small
  return isMiddle ? Math.max(small, Math.round(normal / MIDDLE)) : normal
}

/** Of a list at the small size `count` items, spread evenly from its first to its last. */
export function sample<T>(list: readonly T[], count: number): readonly T[] {
  const wanted = isMiddle ? Math.max(count, Math.ceil(list.length / MIDDLE)) : count
  if ((!isSmall && !isMiddle) || list.length <= wanted) return list
  console.log(`# ${size!} size: ${wanted} of ${list.length}`)
  return Array.from(
    { length: wanted },
    (_, i) => list[Math.round((i * (list.length - 1)) / Math.max(1, wanted - 1))]!,
  )
}

/** A test that the small size leaves out. */
export function onlyNormal(test: Test, name: string, body: () => void | Promise<void>): void {
  if (isSmall) console.log(`# small size: without '${name}'`)
  else test(name, body)
}
