#!/usr/bin/env node
/**
 * `dcache bench`: what atomics, hits and changes cost on this machine. A program of its own, so that nothing that the
 * command line has loaded is measured along. Exit codes: 0 done, 1 failed, 2 called wrongly.
 */
import { EventEmitter } from 'node:events'
import { program } from './program.js'

// Each of a dozen open caches listens to the end of every worker: that is no leak.
EventEmitter.defaultMaxListeners = 100

process.exitCode = await program(process.argv)
// A peer may keep handles open that nobody waits for.
process.exit()
