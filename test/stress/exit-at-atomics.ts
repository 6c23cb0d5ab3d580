// Lets a thread end at an atomic operation of the engine. Import this module before dcache, which keeps the functions of Atomics
// as constants.

/** How many operations are left; below 0 the thread does not end. */
let left = -1

/** Ends the thread at the atomic operation after `operations` others. */
export function armExit(operations: number): void {
  left = operations
}

const functions = Atomics as unknown as Record<string, (...args: unknown[]) => unknown>
for (const name of ['load', 'store', 'exchange', 'compareExchange', 'add', 'sub', 'and', 'or']) {
  const original = functions[name]!
  functions[name] = (...args) => {
    if (left >= 0 && left-- === 0) process.exit(0)
    return original(...args)
  }
}
