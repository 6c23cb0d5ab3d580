/**
 * Repair, as in src/core/recovery/repair.ts: when the holder of the round mutex died, what it protects is rebuilt from frames.
 */
import { clearUndo, type Effect, freeSpare, isSaved, pushStampedUndo } from './images.js'
import type { Model } from './model.js'
import { restOfSettlement } from './pending.js'
import type { Act } from './section.js'
import {
  Block,
  blockAt,
  Client,
  clientAt,
  CLIENTS,
  ENVIRONMENT,
  FLUSH_WORKER,
  Group,
  Job,
  Life,
  Phase,
  Round,
  Spare,
  spareAt,
  type State,
  Writer,
  writerAt,
  WRITERS,
} from './state.js'

export function isDead(s: State, actor: number): boolean {
  if (actor === 0 || actor === ENVIRONMENT) return false
  if (actor <= CLIENTS) return s[clientAt(actor - 1) + Client.life] === Life.DEAD
  if (actor === FLUSH_WORKER) return s[Round.phase] === Phase.DEAD
  return s[writerAt(actor - WRITERS) + Writer.job] === Job.DEAD
}

/** Repairs half-disposed undos, the free list, the dirty list, then the releases that the dead thread was finishing. */
export function repair(m: Model, actor: number): Act[] {
  if (m.mistake === 'stolenMutexNotRepaired') return []
  const effects = [finishDisposals, rebuildFreeList]
  if (m.mistake !== 'boundNotRepaired') effects.push(raiseBound)
  if (m.mistake !== 'dirtyListNotRebuilt') effects.push(rebuildDirtyList)
  return [...effects.map((effect) => ({ effect, block: -1, writeClass: 0 })), ...restOfSettlement(m, actor)]
}

/** With an undo and not CHANGING, a change has not begun, or was committed and not disposed; of living threads too. */
const finishDisposals: Effect = (m, s) => {
  for (let block = 0; block < m.blocks; block++) {
    const at = blockAt(block)
    const isReaped = s[at + Block.released] !== 0 || isDead(s, s[at + Block.latch]!)
    if (s[at + Block.changing] === 1 || !isReaped) continue
    pushStampedUndo(s, block)
    clearUndo(s, block)
  }
}

/** The dead thread may have ended an epoch and not moved the bound yet. */
const raiseBound: Effect = (_m, s) => {
  s[Group.bound] = Math.max(s[Group.bound]!, s[Group.epoch]! - 1)
}

const rebuildFreeList: Effect = (m, s) => {
  for (let spare = 1; spare <= m.spares; spare++) {
    const owner = s[spareAt(spare) + Spare.owner]!
    const isOwn = owner !== 0 && m.mistake !== 'repairTakesOwnSpares'
    if (isOwn || isReferenced(m, s, spare)) s[spareAt(spare) + Spare.free] = 0
    else if (m.mistake === 'repairTakesOwnSpares') s[spareAt(spare) + Spare.free] = 1
    else freeSpare(s, spare)
  }
}

function isReferenced(m: Model, s: State, spare: number): boolean {
  for (let block = 0; block < m.blocks; block++)
    if (s[blockAt(block) + Block.undo] === spare || isSaved(s, block, spare)) return true
  return false
}

const rebuildDirtyList: Effect = (m, s) => {
  for (let block = 0; block < m.blocks; block++) {
    const at = blockAt(block)
    s[at + Block.listed] = s[at + Block.class] !== 0 || s[at + Block.saved] !== 0 ? 1 : 0
  }
}
