#!/usr/bin/env node
/**
 * `dcache bench`: what atomics, hits and changes cost on this machine. A program of its own, so that nothing that the
 * command line has loaded is measured along. Exit codes: 0 done, 1 failed, 2 called wrongly.
 */
import { program } from './program.js'

process.exitCode = await program(process.argv)
// A peer may keep handles open that nobody waits for.
process.exit()
