// Tests that need something the machine may lack: leaving one out prints a line that the runner shows, or fails on request.

import { spawnSync } from 'node:child_process'

/** True if the test can be run; otherwise prints what is left out and why. With DCACHE_REQUIRE_ALL=1 that is an error. */
export function canRun(what: string, needs: Readonly<Record<string, boolean>>): boolean {
  const missing = Object.entries(needs).flatMap(([name, isThere]) => (isThere ? [] : [name]))
  if (missing.length === 0) return true
  const line = `left out: ${what} (${missing.join(', ')} is missing)`
  if (process.env['DCACHE_REQUIRE_ALL'] === '1') throw new Error(`${line}, and DCACHE_REQUIRE_ALL is set`)
  console.log(`# ${line}`)
  return false
}

/** Whether a command can be started and succeeds. */
export const works = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** By name, whether each of these programs is installed. */
export const programs = (...names: string[]): Record<string, boolean> =>
  Object.fromEntries(names.map((name) => [name, works('sh', '-c', `command -v ${name}`)]))
