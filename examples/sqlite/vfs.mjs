// SQLite's interface to files (VFS) for a database in a partition: https://sqlite.org/c3ref/io_methods.html
//
// There is one file, the database. SQLite's journal and temporary tables are in memory; other files cannot be opened, so a
// connection with another journal_mode cannot write.

import { PAGE } from './file.mjs'
import { capi, sqlite3, wasm } from './sqlite.mjs'

const { SQLITE_OK, SQLITE_BUSY, SQLITE_FULL, SQLITE_IOERR, SQLITE_NOTFOUND, SQLITE_CANTOPEN } = capi

export const VFS = 'dcache'

/**
 * Makes the file known to SQLite in this thread, as the VFS 'dcache'. `lock`: the connection's part of the file's lock.
 * `onError(error)` hears of what stood in the way of SQLite, which gets a code: an exception must not pass through its frames.
 */
export function installVfs(file, lock, onError) {
  const io = new capi.sqlite3_io_methods()
  const vfs = new capi.sqlite3_vfs()

  const safe = (method) =>
    function (...args) {
      try {
        return method(...args)
      } catch (error) {
        onError(error)
        return SQLITE_IOERR
      }
    }
  const safely = (methods) =>
    Object.fromEntries(Object.entries(methods).map(([name, method]) => [name, safe(method)]))
  const bytes = (pointer, length) => wasm.heap8u().subarray(Number(pointer), Number(pointer) + length)
  const poke = (pointer, value, type = 'i32') => {
    wasm.poke(pointer, value, type)
    return SQLITE_OK
  }

  const fileMethods = {
    xClose: () => SQLITE_OK,
    xRead: (_, target, length, offset) =>
      file.read(bytes(target, length), Number(offset)) ? SQLITE_OK : capi.SQLITE_IOERR_SHORT_READ,
    xWrite: (_, source, length, offset) =>
      file.write(bytes(source, length), Number(offset)) ? SQLITE_OK : SQLITE_FULL,
    xTruncate(_, size) {
      file.resize(Number(size))
      return SQLITE_OK
    },
    xSync: () => SQLITE_OK,
    xFileSize: (_, target) => poke(target, BigInt(file.size()), 'i64'),
    xLock: (_, level) => (lock.lock(level) ? SQLITE_OK : SQLITE_BUSY),
    xUnlock(_, level) {
      file.discard() // there is something only if SQLite has failed to take a transaction back
      lock.unlock(level)
      return SQLITE_OK
    },
    xCheckReservedLock: (_, target) => poke(target, lock.isReserved() ? 1 : 0),
    /** SYNC comes once a transaction has written all of its pages, before xSync, and also if `synchronous` is off. */
    xFileControl(_, operation) {
      if (operation !== capi.SQLITE_FCNTL_SYNC) return SQLITE_NOTFOUND
      return file.commit() ? SQLITE_OK : SQLITE_FULL
    },
    xSectorSize: () => PAGE,
    xDeviceCharacteristics: () => capi.SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN,
  }

  const vfsMethods = {
    xOpen(_, name, target, flags, outFlags) {
      if (!(flags & capi.SQLITE_OPEN_MAIN_DB)) return SQLITE_CANTOPEN
      const opened = new capi.sqlite3_file(target)
      opened.$pMethods = io.pointer
      opened.dispose()
      return poke(outFlags, flags)
    },
    xDelete: () => SQLITE_OK,
    xAccess: (_, name, flags, target) => poke(target, 0),
    xFullPathname: (_, name, length, target) =>
      wasm.cstrncpy(target, name, length) < length ? SQLITE_OK : SQLITE_CANTOPEN,
  }

  const system = new capi.sqlite3_vfs(capi.sqlite3_vfs_find(null))
  for (const name of ['$xRandomness', '$xSleep', '$xCurrentTime', '$xCurrentTimeInt64'])
    vfs[name] = system[name]
  system.dispose()
  io.$iVersion = 1
  Object.assign(vfs, { $iVersion: 2, $szOsFile: capi.sqlite3_file.structInfo.sizeof, $mxPathname: 64 })
  sqlite3.vfs.installVfs({
    io: { struct: io, methods: safely(fileMethods) },
    vfs: { struct: vfs, methods: safely(vfsMethods), name: VFS, asDefault: false },
  })
}
