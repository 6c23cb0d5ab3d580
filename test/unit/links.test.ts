// Every link of the documents leads somewhere: to a file of the repository, and to a heading of it. What README and
// docs link to is in the package too.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { anchors, links } from '../support/readme-snippets.js'

const markdownOf = (folder: string, recursive = false): string[] => {
  const path = join(projectRoot, folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules/'))
}

const documents = [
  ...markdownOf('.'),
  ...markdownOf('docs'),
  ...markdownOf('src', true),
  ...markdownOf('examples', true),
]
const textOf = (path: string): string => readFileSync(join(projectRoot, path), 'utf8')

/** The target of a relative link as a path from the project's folder, and its anchor. */
function target(from: string, link: string): [path: string, anchor: string | undefined] {
  const [path, anchor] = link.split('#') as [string, string?]
  return [path === '' ? from : posix.join(dirname(from), path), anchor]
}

const isRelative = (link: string): boolean => !/^[a-z]+:/.test(link)

for (const from of documents)
  test(`the links of ${from}`, () => {
    for (const link of links(textOf(from)).filter(isRelative)) {
      const [path, anchor] = target(from, link)
      assert.ok(!path.startsWith('..') && existsSync(join(projectRoot, path)), `${link}: no such file`)
      if (anchor === undefined) continue
      assert.ok(path.endsWith('.md'), `${link}: an anchor in a file without headings`)
      assert.ok(anchors(textOf(path)).includes(anchor), `${link}: no such heading`)
    }
  })

test('the documents are those that a reader looks for', () => {
  for (const name of ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'docs/api.md', 'src/shared/latch.md'])
    assert.ok(documents.includes(name), name)
})

/** Too large for the package, or of use in a clone only. */
const isLeftOut = (path: string): boolean => /^(bench\/results|examples\/(kv|sqlite))\//.test(path)

test('what README and docs link to is in the package', () => {
  const { stdout } = spawnSync('npm', ['pack', '--json', '--ignore-scripts', '--dry-run'], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
  const [report] = JSON.parse(stdout) as { files: { path: string }[] }[]
  const packed = report!.files.map(({ path }) => path)
  for (const from of ['README.md', ...markdownOf('docs')]) {
    assert.ok(packed.includes(from), from)
    for (const link of links(textOf(from)).filter(isRelative)) {
      const [path] = target(from, link)
      const isPacked = statSync(join(projectRoot, path)).isDirectory()
        ? packed.some((name) => name.startsWith(posix.join(path, '/')))
        : packed.includes(path)
      assert.ok(isPacked || isLeftOut(path), `${from}: ${link} is not in the package`)
    }
  }
})

test.run()
