/**
 * The libraries that dcache is compared with. They are development dependencies. A benchmark whose peer is not
 * installed reports that and continues.
 */
import { createRequire } from 'node:module'

/** Whether a package can be imported. If not, adds a line to `leftOut`. */
export function isInstalled(name: string, leftOut: string[]): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    leftOut.push(`${name} is not installed here: npm install ${name}`)
    return false
  }
}
