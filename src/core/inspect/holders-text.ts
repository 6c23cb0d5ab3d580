/**
 * Holders and waits as lines of text, which `dcache load` and `dcache serve` print on SIGUSR2.
 */
import type { Holder } from '../../shared/reports.js'

/** A line for each entry of `holders()`, or one line that says that there are none. */
export function holdersText(holders: readonly Holder[]): string[] {
  return holders.length === 0 ? ['no thread holds or waits for anything'] : holders.map(lineOf)
}

export function lineOf(holder: Holder): string {
  const { slot, threadId, name, alive, what, mode, partition, block, sinceMs, heldBy, cycle } = holder
  const thread = `thread ${threadId}${name === '' ? '' : ` '${name}'`} (slot ${slot}${alive ? '' : ', dead'})`
  const verb = what === 'holds' ? 'holds' : 'waits for'
  const object = partition === undefined ? WANTED[mode] : `block ${block} of '${partition}' to ${mode}`
  return [
    `${thread} ${verb} ${object}`,
    sinceMs === undefined ? '' : ` for ${sinceMs} ms`,
    heldBy.length === 0 ? '' : `, held by slot ${heldBy.join(', ')}`,
    cycle.length === 0 ? '' : `, in a cycle of slots ${cycle.join(', ')}`,
  ].join('')
}

/** What is waited for, if it is not a block. */
const WANTED: Record<Holder['mode'], string> = {
  read: 'a block to read',
  modify: 'a block to modify',
  frame: 'a free frame',
  dirty: 'fewer dirty blocks',
  spare: 'a spare frame',
  flush: 'a flush',
  mutex: 'a lock',
}
