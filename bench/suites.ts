/**
 * All suites, in the order in which they run.
 */
import { commit } from './commit/suite.js'
import { contention } from './contention/suite.js'
import { disk } from './disk/suite.js'
import type { Suite } from './harness/suite.js'
import { hit } from './hit/suite.js'
import { modify } from './modify/suite.js'
import { nbd } from './nbd/suite.js'
import { partitions } from './partitions/suite.js'
import { recovery } from './recovery/suite.js'
import { replay } from './replay/suite.js'

export const SUITES: readonly Suite[] = [
  hit,
  contention,
  modify,
  recovery,
  partitions,
  replay,
  disk,
  commit,
  nbd,
]
