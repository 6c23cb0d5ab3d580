// SQLite's official WASM build: an instance of its own in each thread that imports this.

import initialize from '@sqlite.org/sqlite-wasm'

export const sqlite3 = await initialize()
export const { capi, wasm } = sqlite3
