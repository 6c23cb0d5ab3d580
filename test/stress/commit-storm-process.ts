// A storm of commits as a process: its options are the argument, as JSON.

import { commitStorm, type CommitStormOptions } from './commit-storm.js'

await commitStorm(JSON.parse(process.argv[2]!) as CommitStormOptions)
process.exit(0) // threads may still be ending
