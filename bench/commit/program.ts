/**
 * The measurements of `commit` on one disk. argv: the settings as JSON. Prints the figures as JSON, and the progress on stderr, one
 * step a line.
 */
import { EventEmitter } from 'node:events'
import { measure, type MeasureSettings } from './measure.js'

EventEmitter.defaultMaxListeners = 100

const settings = JSON.parse(process.argv[2]!) as MeasureSettings
const measured = await measure(settings, (text) => process.stderr.write(`${text}\n`))
// A peer's open handles would keep the process alive.
process.stdout.write(JSON.stringify(measured), () => process.exit())
