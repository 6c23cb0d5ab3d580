/**
 * Opening a cache: everything that can be refused is checked before anything is changed, and what was changed is undone if a
 * later step fails.
 *
 *   options -> files of partitions -> journals: open, check -> memory -> extend files -> recover journals -> engine -> keep all
 *
 * So no block is read before the journals have written in place what a crash had left in them.
 */
import { randomBytes } from 'node:crypto'
import { formatArena } from '../core/format.js'
import { geometryOf, parseOptions } from '../shared/config.js'
import { sizeJournals } from '../shared/group-options.js'
import type { BlockCache } from '../shared/interface.js'
import type { CacheOptions } from '../shared/options.js'
import { idWords } from './attach.js'
import { Claims } from './claims.js'
import { closeFiles, extendFiles, openFiles } from './files.js'
import { Host } from './host.js'
import { OwnerJournals } from './owner-journals.js'
import { assertRuntime, openError } from './surroundings.js'

/**
 * Opens a cache. The calling thread becomes its owner. If it fails, it leaves nothing behind; but what a crash had left in a
 * journal may be in place.
 * @throws (as a rejection) ERR_DCACHE_BAD_OPTION, _BAD_BLOCK_SIZE, _MEMORY, _BAD_FILE, _BAD_JOURNAL, _READ_ONLY, _IN_USE,
 *   _UNSUPPORTED, _WORKER_DIED
 */
export async function openCache(options: CacheOptions): Promise<BlockCache> {
  const config = parseOptions(options)
  const geometry = geometryOf(config)
  const sized = sizeJournals(config.journals, { ...config, blocks: geometry.blocks })
  assertRuntime(config.partitions.some(({ readOnly }) => !readOnly))
  const claims = new Claims()
  const files = await openFiles(config.partitions, claims)
  let journals: OwnerJournals | undefined
  let host: Host | undefined
  try {
    journals = await OwnerJournals.open(sized, config.groups, files, claims)
    const id = randomBytes(8).toString('hex')
    const { low, high } = idWords(id)
    const arena = formatArena(config, geometry, files, low, high)
    await extendFiles(files)
    await journals.recover()
    journals.format(arena, files, config.frameSize)
    host = new Host(config, { id, arena }, { files, claims, journals })
    await host.start()
    for (const file of files) file.keep()
    journals.keep()
    return host
  } catch (error) {
    if (host) await host.stop()
    else {
      await journals?.close()
      closeFiles(files)
    }
    throw openError(error)
  }
}
