/**
 * The explorer as a program. node build/test/crash/run.js DIST FOLDER SEED SECONDS PATIENCE explores the engine in DIST,
 * with clients that wait PATIENCE ms for a block, and exits with 1 when it finds an error. With one argument, the file of
 * a saved case, it judges that case again.
 */
import { explore } from './explore.js'
import { replay, tell } from './story.js'

const [first, folder, seed, seconds, patience] = process.argv.slice(2)

if (first === undefined) {
  console.log('node build/test/crash/run.js DIST FOLDER SEED SECONDS PATIENCE, or CASE')
  process.exitCode = 2
} else if (folder === undefined) {
  const { saved, finding } = replay(first)
  console.log(finding ? tell(saved, finding) : 'no crash breaks a promise')
  process.exitCode = finding ? 1 : 0
} else {
  const { failure, runs, images } = await explore({
    dist: first,
    firstSeed: Number(seed),
    images: Infinity,
    leastRuns: 0,
    limitMs: Number(seconds) * 1000,
    operations: 500,
    patienceMs: Number(patience),
    folder,
  })
  console.log(failure ?? 'nothing was found')
  console.log(`${runs} runs, ${images} images`)
  process.exit(failure === undefined ? 0 : 1)
}
