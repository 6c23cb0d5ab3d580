/**
 * The option `groups`: names, or an object with the settings of each group by name.
 */
import { resolve } from 'node:path'
import { type JournalSize, journalSize, tableBytesOf } from './journal-size.js'
import { parseSize, refuse, show } from './values.js'

export interface JournalConfig {
  /** Absolute, resolved when the options were parsed. */
  readonly path: string
  /** Bytes of both halves; undefined: the default, or what the file has. */
  readonly bytes: number | undefined
}

export interface GroupsConfig {
  readonly names: readonly string[]
  /** The journals, by the name of the group. */
  readonly journals: ReadonlyMap<string, JournalConfig>
}

/** @throws ERR_DCACHE_BAD_OPTION */
export function parseGroups(groups: unknown): GroupsConfig {
  if (groups === undefined) return { names: [], journals: new Map() }
  if (Array.isArray(groups) && groups.every((name) => typeof name === 'string'))
    return { names: groups, journals: new Map() }
  if (Array.isArray(groups) || typeof groups !== 'object' || groups === null)
    refuse(`groups is ${show(groups)}; it must be a list of names, or an object with the groups by name`)
  const journals = new Map<string, JournalConfig>()
  for (const [name, settings] of Object.entries(groups)) {
    const journal = parseGroup(`group '${name}'`, settings)
    if (journal === undefined) continue
    const other = [...journals].find(([, { path }]) => path === journal.path)
    if (other !== undefined)
      refuse(`group '${name}': journal.path is '${journal.path}', which is that of group '${other[0]}'`)
    journals.set(name, journal)
  }
  return { names: Object.keys(groups), journals }
}

function parseGroup(what: string, settings: unknown): JournalConfig | undefined {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    refuse(`${what} is ${show(settings)}; it must be an object, such as {}`)
  const { journal } = settings as { journal?: unknown }
  if (journal === undefined) return undefined
  if (typeof journal !== 'object' || journal === null)
    refuse(`${what}: journal is ${show(journal)}; it must be an object with a path`)
  const { path, size } = journal as { path?: unknown; size?: number | string }
  if (typeof path !== 'string' || path === '')
    refuse(`${what}: journal.path is ${show(path)}; it must be the name of a file`)
  return {
    path: resolve(path),
    bytes: size === undefined ? undefined : parseSize(size, `${what}: journal.size`),
  }
}

/** The journal of a group: where it is, and how large it is to be. */
export interface SizedJournal {
  readonly group: string
  readonly path: string
  readonly size: JournalSize
}

/**
 * The journals with their sizes, which depend on the blocks of their groups.
 * @param groups the names of all groups, in the order of their numbers
 * @param frameSize the largest block that a partition of the cache may have, in bytes
 * @param blocks how many blocks the cache holds at most
 * @throws ERR_DCACHE_BAD_OPTION
 */
export function sizeJournals(
  journals: ReadonlyMap<string, JournalConfig>,
  {
    groups,
    partitions,
    frameSize,
    blocks,
  }: {
    groups: readonly string[]
    partitions: readonly { readonly name: string; readonly blockSize: number; readonly group: number }[]
    frameSize: number
    blocks: number
  },
): SizedJournal[] {
  return [...journals].map(([group, { path, bytes }]) => {
    const own = partitions.filter((partition) => groups[partition.group] === group)
    // A group without partitions gets some later, with blocks of any size.
    const blockSize = own.length === 0 ? frameSize : Math.max(...own.map((partition) => partition.blockSize))
    const fit = { blockSize, tableBytes: tableBytesOf(own), blocks }
    return { group, path, size: journalSize(`group '${group}'`, bytes, fit) }
  })
}
