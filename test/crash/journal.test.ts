/**
 * Journals on disks that forget: after any crash, and any crash of recovery and of closing, the partitions hold exactly one cut, not
 * older than the last acknowledged one. Mistakes in the order of the calls, and in the functions, are found.
 */
// @deadline 600
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectRoot } from '../support/project.js'
import { sized } from '../support/size.js'
import { type JournalFunctions, type Mistake, runJournal } from './journal-life.js'
import { JOURNAL_VARIANTS } from './journal-variants.js'
import { makeVariant } from './variant-copy.js'

const IMAGES = sized(10_000, 30_000)
/** A mistake is found within this many images, from one seed or another. */
const IMAGES_OF_MISTAKES = 40_000

async function functionsIn(dist: string): Promise<JournalFunctions> {
  const load = (name: string) =>
    import(pathToFileURL(join(dist, 'core', 'journal', name)).href) as Promise<never>
  return {
    record: await load('record.js'),
    scan: await load('scan.js'),
    recover: await load('recover.js'),
    owner: await load('owner-writes.js'),
    header: await load('file-header.js'),
  }
}

const shipped = await functionsIn(join(projectRoot, 'dist'))

const journal = suite('the journal')
const mistakes = suite('mistakes')

journal(`recovers exactly one cut in ${IMAGES} images`, async () => {
  const { problem, images, records } = await runJournal(shipped, undefined, 1, IMAGES)
  assert.is(problem, undefined)
  assert.ok(records > images / 10)
  console.log(`\n# ${images} images, ${records} records`)
})

const ORDERS: Readonly<Record<Mistake, true>> = {
  'no-sync-of-the-journal': true,
  'in-place-before-the-sync': true,
  'half-reused-too-early': true,
  'retry-in-the-other-half': true,
  'retry-behind-the-failed-one': true,
  'half-free-before-the-partitions-are-synced': true,
  'failed-sync-of-the-partitions-ignored': true,
  'changed-block-in-place': true,
  'failed-record-counts-as-journaled': true,
}

/** Recovery may refuse what a mistake left, instead of reading a wrong cut: that shows it too. */
async function find(name: string, functions: JournalFunctions, mistake: Mistake | undefined): Promise<void> {
  const { problem, images } = await runJournal(functions, mistake, 1, IMAGES_OF_MISTAKES).catch(
    (error: unknown) => ({ problem: (error as Error).message, images: NaN }),
  )
  assert.ok(problem !== undefined, `${name} is not found in ${images} images`)
  console.log(`\n# ${name}: ${problem.slice(0, 200)}`)
}

for (const mistake of Object.keys(ORDERS) as Mistake[])
  mistakes(`${mistake} is found`, () => find(mistake, shipped, mistake))

for (const variant of JOURNAL_VARIANTS)
  mistakes(`${variant.name} is found`, async () => {
    await find(variant.name, await functionsIn(makeVariant(projectRoot, variant)), undefined)
  })

journal.run()
mistakes.run()
