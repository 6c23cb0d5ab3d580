/**
 * The suites there are, in the order in which they run.
 */
import type { Suite } from './harness/suite.js'
import { contention } from './contention/suite.js'
import { hit } from './hit/suite.js'

export const SUITES: readonly Suite[] = [hit, contention]
