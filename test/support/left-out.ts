// What a machine lacks for a test: said in a line that the runner shows, and a failure where nothing may be left out.

import { spawnSync } from 'node:child_process'

/** True if the test can be run; otherwise says what is left out, and why. With DCACHE_REQUIRE_ALL=1 that is an error. */
export function canRun(what: string, needs: Readonly<Record<string, boolean>>): boolean {
  const missing = Object.entries(needs).flatMap(([name, isThere]) => (isThere ? [] : [name]))
  if (missing.length === 0) return true
  const line = `left out: ${what} (${missing.join(', ')} is not here)`
  if (process.env['DCACHE_REQUIRE_ALL'] === '1') throw new Error(`${line}, and DCACHE_REQUIRE_ALL is set`)
  console.log(`# ${line}`)
  return false
}

/** Whether a command can be started and is content. */
export const works = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** By name, whether each of these programs is installed. */
export const programs = (...names: string[]): Record<string, boolean> =>
  Object.fromEntries(names.map((name) => [name, works('sh', '-c', `command -v ${name}`)]))
