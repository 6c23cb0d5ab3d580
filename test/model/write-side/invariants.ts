/**
 * The invariants of every state, and of the states without a next one. Every crash image is checked: a half may be on disk
 * in any version that was written since the last fsync, or as it was before.
 */
import type { Model } from './model.js'
import { classChangesOf, isSaved } from './images.js'
import { areWritersIdle } from './round.js'
import {
  Block,
  blockAt,
  Budget,
  Client,
  clientAt,
  CLIENTS,
  contentOf,
  Group,
  Life,
  needOf,
  Phase,
  Round,
  Spare,
  spareAt,
  type State,
  VERSIONS,
} from './state.js'

/** The index of the lowest bit. */
const LOWEST = Array.from({ length: 1 << VERSIONS }, (_, bits) => (bits === 0 ? 0 : Math.log2(bits & -bits)))

/** The oldest version that a half may have after a crash. */
const oldest = (s: State, block: number, half: number): number =>
  LOWEST[s[blockAt(block) + Block.possible + half]!]!

/** Reports the errors of the model's next state. */
export function checkState(m: Model): void {
  const s = m.next
  for (let block = 0; block < m.blocks; block++) {
    checkDurability(m, s, block)
    checkOrder(m, s, block)
    checkFrame(m, s, block)
  }
  if (s[Group.mutex] !== 0) return
  checkSpares(m, s)
  for (let block = 0; block < m.blocks; block++) checkLists(m, s, block)
  // Behind a fence changes do not wait. A flush worker may die between the fence and the count of failures.
  const hasFailed = s[Budget.failedSyncs]! + s[Budget.failedWrites]! < m.failuresMax
  if (m.isPatient && !hasFailed)
    for (let block = 0; block < m.blocks; block++)
      if (classChangesOf(s, block) > 1) m.fail(`CHANGES block ${block} keeps images of several classes`)
  if (s[Group.cut] !== 0 && s[Group.bound]! < s[Group.cut]!) m.fail('BOUND it is before the cut')
}

/** No change that a flush acknowledged may be missing. */
function checkDurability(m: Model, s: State, block: number): void {
  const version = s[blockAt(block) + Block.acknowledged]!
  for (let half = 0; half < 2; half++)
    if (oldest(s, block, half) < s[contentOf(block, version, half)]!)
      m.fail(`DURABILITY half ${half} of block ${block} may be lost, a flush answered for version ${version}`)
}

/** A change on disk requires all earlier changes of an earlier class. */
function checkOrder(m: Model, s: State, block: number): void {
  const at = blockAt(block)
  const versions = s[at + Block.possible]! | s[at + Block.possible2]!
  for (let version = 1; version <= s[at + Block.committed]!; version++) {
    if (((versions >> version) & 1) === 0) continue
    for (let other = 0; other < m.blocks; other++) {
      const need = s[needOf(block, version, other)]!
      if (need === 0) continue
      for (let half = 0; half < 2; half++)
        if (oldest(s, other, half) < s[contentOf(other, need, half)]!)
          m.fail(
            `ORDER version ${version} of block ${block} may be on disk without version ${need} of block ${other}`,
          )
    }
  }
}

/** The disk has the newest version of a clean block, and the frame that of a block that no thread changes. */
function checkFrame(m: Model, s: State, block: number): void {
  const at = blockAt(block)
  if (s[at + Block.forgotten] === 1) return
  const newest = s[at + Block.committed]!
  const isClean = s[at + Block.class] === 0 && s[at + Block.released] === 0
  const isStill = s[at + Block.absent] === 0 && s[at + Block.changing] === 0
  for (let half = 0; half < 2; half++) {
    const content = s[contentOf(block, newest, half)]!
    if (isClean && s[at + Block.possible + half] !== 1 << content)
      m.fail(`CLEAN block ${block} is clean, half ${half} on disk may not be version ${newest}`)
    if (isStill && s[at + Block.half + half] !== content)
      m.fail(`CONTENT half ${half} of block ${block} is not what was released last`)
  }
}

/** Each spare is free, the undo of one block, or in one list of saved images. */
function checkSpares(m: Model, s: State): void {
  for (let spare = 1; spare <= m.spares; spare++) {
    const free = s[spareAt(spare) + Spare.free]!
    let owners = free
    for (let block = 0; block < m.blocks; block++) {
      if (s[blockAt(block) + Block.undo] === spare) owners++
      if (isSaved(s, block, spare)) owners++
    }
    const owner = s[spareAt(spare) + Spare.owner]!
    if (owner !== 0 && (owners === 0 || free === 1)) owners++
    if (owners !== 1) m.fail(`SPARE ${spare} has ${owners} owners`)
  }
}

/** Exactly the blocks with unwritten images are in the dirty list, and images are ordered by their stamps. */
function checkLists(m: Model, s: State, block: number): void {
  const at = blockAt(block)
  const isUnwritten = s[at + Block.class] !== 0 || s[at + Block.saved] !== 0
  if (isUnwritten !== (s[at + Block.listed] === 1))
    m.fail(
      `LIST block ${block} ${isUnwritten ? 'has an unwritten image and is not in the dirty list' : 'is in the dirty list'}`,
    )
  let newer = s[at + Block.class] === 0 ? s[Group.epoch]! : s[at + Block.epoch]!
  if (newer > s[Group.epoch]!) m.fail(`STAMP block ${block} is stamped after the epoch`)
  for (let link = s[at + Block.saved]!; link !== 0; link = s[spareAt(link) + Spare.next]!) {
    if (s[spareAt(link) + Spare.class] === 0) m.fail(`STAMP a saved image of block ${block} has none`)
    if (s[spareAt(link) + Spare.epoch]! > newer)
      m.fail(`STAMP a saved image of block ${block} is newer than the next`)
    newer = s[spareAt(link) + Spare.epoch]!
  }
}

/** Reports what is left in a state without a next one. */
export function checkEnd(m: Model): void {
  const s = m.now
  for (let client = 0; client < CLIENTS; client++) {
    const at = clientAt(client)
    if (s[at + Client.life] === Life.DEAD) m.fail(`STUCK client ${client + 1} is dead and never reaped`)
    const isDone = s[at + Client.operation]! >= m.scenario.scripts[client]!.length
    if (s[at + Client.life] === Life.LIVE && !isDone)
      m.fail(`STUCK client ${client + 1} waits forever in operation ${s[at + Client.operation]!}`)
  }
  if (s[Group.mutex] !== 0) m.fail('STUCK the mutex is held forever')
  if (s[Round.phase] !== Phase.IDLE) m.fail('STUCK the round never ends')
  if (!areWritersIdle(s)) m.fail('STUCK a writer never ends')
  for (let block = 0; block < m.blocks; block++) {
    const at = blockAt(block)
    if (s[at + Block.latch] !== 0 || s[at + Block.pins] !== 0)
      m.fail(`LEFT block ${block} is latched forever`)
    if (s[at + Block.undo] !== 0) m.fail(`LEFT block ${block} has an undo forever`)
    if (s[at + Block.taken] !== 0) m.fail(`LEFT the undo of block ${block} is taken forever`)
  }
}
