// Watches a thread for calls that block it: Atomics.wait, and every synchronous function of node:fs. Import this module before
// dcache, which keeps Atomics.wait as a constant.

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

/** The blocking calls during the watch: the function and its call site. */
const calls: string[] = []
let isWatching = false

type AnyFunction = (...args: unknown[]) => unknown

function watch(owner: Record<string, unknown>, name: string): void {
  const original = owner[name] as AnyFunction
  const watched = (...args: unknown[]) => {
    if (isWatching) calls.push(`${name} ${String(new Error('here').stack?.split('\n')[2]?.trim())}`)
    return original(...args)
  }
  owner[name] = Object.assign(watched, original) // `realpathSync.native`
}

watch(Atomics as unknown as Record<string, unknown>, 'wait')
const functions = fs as unknown as Record<string, unknown>
for (const name of Object.keys(functions)) {
  if (name.endsWith('Sync') && typeof functions[name] === 'function') watch(functions, name)
}
syncBuiltinESMExports()

/** Does the work; returns the blocking calls that the calling thread made in it. */
export async function blockingCallsDuring(work: () => Promise<void>): Promise<string[]> {
  calls.length = 0
  isWatching = true
  try {
    await work()
  } finally {
    isWatching = false
  }
  return [...calls]
}
