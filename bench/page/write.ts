/**
 * Writes the page. Whether it can be written is checked before the run, because a run takes many minutes.
 */
import { mkdir, open, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isInstalled } from '../harness/peers.js'
import type { BenchReport } from '../harness/report.js'
import type { HistoryLine } from '../output/history.js'
import { PAGE_PACKAGES, pageOf } from './page.js'

/** The reason why the page can't be written; undefined if it can. */
export async function pageProblem(path: string): Promise<string | undefined> {
  const missing: string[] = []
  for (const name of PAGE_PACKAGES) isInstalled(name, missing)
  if (missing.length > 0) return `the page of --html can't be made: ${missing.join('; ')}`
  try {
    await mkdir(dirname(path), { recursive: true })
    await (await open(path, 'a')).close()
  } catch (error) {
    return `the page of --html can't be written: ${(error as Error).message}`
  }
  return undefined
}

export async function writePage(
  path: string,
  report: BenchReport,
  history: readonly HistoryLine[],
): Promise<void> {
  await writeFile(path, await pageOf(report, history))
}
