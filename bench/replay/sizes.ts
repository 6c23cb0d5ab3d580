/**
 * The option `--sizes` of the replay: sizes of the cache in blocks, for all traces or for one of them.
 */
import { whole } from '#dist/cli/load-settings.js'
import { InvalidArgumentError } from 'commander'

/** Sizes by the name of a trace; `undefined` has those of the traces that are not named. */
export type Sizes = ReadonlyMap<string | undefined, readonly number[]>

const parseSize = whole(1, 2 ** 24)

/** Adds SIZE,SIZE,… or TRACE=SIZE,SIZE,… to what was given before. A trace's name may have signs of equality. */
export function parseSizes(text: string, before: Sizes): Sizes {
  const at = text.lastIndexOf('=')
  const name = at < 0 ? undefined : text.slice(0, at)
  if (before.has(name))
    throw new InvalidArgumentError(
      name === undefined
        ? 'Sizes for all traces were given already; TRACE=SIZES gives those of one trace.'
        : `Sizes for the trace ${name} were given already.`,
    )
  const sizes = text
    .slice(at + 1)
    .split(',')
    .map((size) => parseSize(size.trim()))
  return new Map([...before, [name, sizes]])
}

/** The message if sizes are given for a trace that is not replayed. */
export function sizesProblem(sizes: Sizes, traces: readonly string[]): string | undefined {
  for (const name of sizes.keys())
    if (name !== undefined && !traces.includes(name))
      return `--sizes ${name}=… is for no trace of this run, which has ${traces.join(', ')}`
  return undefined
}
