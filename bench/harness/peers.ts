/**
 * The peers that dcache is compared with. They are development dependencies: a benchmark whose peer is not installed
 * says so and continues.
 */
import { createRequire } from 'node:module'

/** Whether a package can be imported; if not, `leftOut` gets a line. */
export function isInstalled(name: string, leftOut: string[]): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    leftOut.push(`${name} is not installed here: npm install ${name}`)
    return false
  }
}
