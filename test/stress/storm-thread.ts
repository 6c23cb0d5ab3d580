// A plain worker, for the kill storm.

import { workerData } from 'node:worker_threads'
import live, { type Life } from './storm-life.js'

await live(workerData as Life)
