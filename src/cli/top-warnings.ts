/**
 * What a user of `dcache top` should look at first.
 */
import type { TopModel, Warning } from './top-report.js'

/**
 * A half of a journal that is filled to this share is nearly full. That is no warning yet, since each half is filled before the other
 * is used: it is one if no record comes any more while many blocks are dirty, so that rounds wait for the other half.
 */
const JOURNAL_FULL = 0.95
const DIRTY_MUCH = 0.5

/** The worst first. */
export function warningsOf(model: Omit<TopModel, 'warnings'>): Warning[] {
  const warnings: Warning[] = []
  const add = (kind: Warning['kind'], text: string) => warnings.push({ kind, text })
  if (model.state === 'broken') add('broken', 'the cache is broken: nothing is written any more')
  if (model.state === 'orphaned') add('orphaned', "the owner's thread has ended without closing the cache")
  if (model.state === 'closing' || model.state === 'closed') add('closed', `the cache is ${model.state}`)
  const fenced = model.partitions.filter(({ isFenced }) => isFenced).map(({ name }) => name)
  if (fenced.length > 0)
    add('fenced', `a write has failed: ${fenced.join(', ')} ${fenced.length === 1 ? 'is' : 'are'} not written until retry()`) // prettier-ignore
  const { failedRounds } = model.perSecond
  if (failedRounds !== null && failedRounds > 0 && model.intervalSeconds !== null) {
    const count = Math.round(failedRounds * model.intervalSeconds)
    add(
      'roundsFailed',
      `${count === 1 ? 'a round of write-back has' : `${count} rounds of write-back have`} failed`,
    )
  }
  const slots = new Set(model.threads.flatMap(({ waits }) => waits.flatMap(({ cycle }) => cycle)))
  if (slots.size > 0) add('cycle', `threads wait for each other: slots ${[...slots].sort((a, b) => a - b).join(', ')}`) // prettier-ignore
  for (const { name, dirty, dirtyLimit, dirtyShare, journal } of model.groups) {
    const group = name === '' ? '' : ` of group ${name}`
    if (dirty !== null && dirtyLimit !== null && dirtyLimit > 0 && dirty >= dirtyLimit)
      add('dirtyLimit', `the dirty limit${group} is reached: changes wait for the disk`)
    const journalShare = journal?.usedShare ?? 0
    const isStuck = journal?.recordsPerSecond === 0 && (dirtyShare ?? 0) >= DIRTY_MUCH
    if (journalShare >= JOURNAL_FULL && isStuck)
      add(
        'journalFull',
        `the journal${group} has a half that is ${Math.floor(journalShare * 100)} % full, and takes no records`,
      )
  }
  return warnings
}
