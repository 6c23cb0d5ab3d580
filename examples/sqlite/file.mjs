// A database file in a partition: block 0 has the size of the file, and block n the page n of the database.
//
// What SQLite writes stays in the memory of its thread until SQLite says that the transaction is complete. Then all of its
// pages are released at one moment, by one update. So neither another thread nor a crash finds a part of a transaction, and
// SQLite needs no journal of its own on the disk.

/** The page size of SQLite's WASM build. One block has one page. */
export const PAGE = 8192
/** The most blocks that a transaction may change. One thread can hold 256 guards. */
const CHANGES_MAX = 250
const SIZE_BLOCK = 0

export function openFile(client, partition) {
  /** Blocks that were written and not committed: their new contents, by number. */
  const changes = new Map()

  function readBlock(block, start, target) {
    partition.readSync(target, block * PAGE + start)
    return target
  }

  /** In bytes. */
  function size() {
    const header = changes.get(SIZE_BLOCK) ?? readBlock(SIZE_BLOCK, 0, Buffer.alloc(8))
    return Number(header.readBigUInt64LE())
  }

  function resize(bytes) {
    const header = Buffer.alloc(PAGE)
    header.writeBigUInt64LE(BigInt(bytes))
    changes.set(SIZE_BLOCK, header)
  }

  /** Fills `target` with bytes of one page. Returns false if the file ends before: the rest is zeros then. */
  function read(target, offset) {
    const start = offset % PAGE
    if (start + target.length > PAGE) throw new RangeError('a read of two pages')
    if (offset + target.length > size()) {
      target.fill(0)
      return false
    }
    const block = 1 + Math.floor(offset / PAGE)
    const changed = changes.get(block)?.subarray(start, start + target.length)
    if (changed) target.set(changed)
    else readBlock(block, start, target)
    return true
  }

  /** Writes a page. Returns false if the partition has no room for it. */
  function write(page, offset) {
    if (offset % PAGE !== 0 || page.length !== PAGE) throw new RangeError('a write that is not of one page')
    const block = 1 + offset / PAGE
    if (block >= partition.blocks) return false
    changes.set(block, Buffer.from(page))
    if (offset + PAGE > size()) resize(offset + PAGE)
    return true
  }

  /**
   * Releases all changes at one moment; they are durable after a flush. Returns false, and has changed nothing, if there are
   * too many. SQLite then takes the transaction back: it writes the older pages, and commits again. Pages that are as they
   * were do not count, so that succeeds.
   */
  function commit() {
    if (changes.size > CHANGES_MAX) forgetUnchanged()
    const pages = [...changes.values()]
    const blocks = [...changes.keys()].map((block) => [partition, block])
    changes.clear()
    if (blocks.length === 0 || blocks.length > CHANGES_MAX) return blocks.length === 0
    client.updateSync(blocks, (guards) => {
      guards.forEach((guard, i) => {
        guard.data.set(pages[i])
        guard.markDirty()
      })
    })
    return true
  }

  function forgetUnchanged() {
    const present = Buffer.alloc(PAGE)
    for (const [block, page] of changes) if (readBlock(block, 0, present).equals(page)) changes.delete(block)
  }

  /** Forgets what was not committed. */
  const discard = () => changes.clear()

  return { size, resize, read, write, commit, discard }
}
