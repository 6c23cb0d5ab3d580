/**
 * The page as one document: its style sheet and its script are put into it, and its policy allows these two, by their
 * hashes, and requests to the monitor itself. So it loads nothing from anywhere else, and nothing that a cache's names
 * contain can run.
 *
 * The files stand next to this one (build.mjs makes them from page/), and are read once, when a monitor starts.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CacheError } from '../shared/errors.js'

export interface Document {
  readonly body: Buffer
  /** For the header Content-Security-Policy. */
  readonly policy: string
}

/** @throws ERR_DCACHE_UNSUPPORTED */
export function readDocument(): Document {
  let html: string, css: string, js: string
  try {
    html = readFileSync(new URL('./page.html', import.meta.url), 'utf8')
    css = readFileSync(new URL('./page.css', import.meta.url), 'utf8')
    js = readFileSync(new URL('./page.js', import.meta.url), 'utf8')
  } catch (cause) {
    throw new CacheError(
      'ERR_DCACHE_UNSUPPORTED',
      'the files of the monitor are missing; if a bundler has moved the code, keep dcache out of the bundle',
      { cause },
    )
  }
  // Functions, because a string would have its dollar signs replaced.
  const body = html
    .replace('<style></style>', () => `<style>${css}</style>`)
    .replace('<script type="module"></script>', () => `<script type="module">${js}</script>`)
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(js)}`,
    `style-src ${hashOf(css)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  return { body: Buffer.from(body), policy }
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
