// CacheError: it survives messages between threads as a plain object, and each of its codes is in use. readme.test.ts tests
// that docs/errors.md explains each.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Worker } from 'node:worker_threads'
import { CacheError, CODES } from 'dcache'
import { assertRefusal, inThread, refusal, withCache } from '../support/open.js'
import { readSources } from '../support/project.js'

const carrying = suite('an error sent in a message')

const cause = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', errno: -5, syscall: 'read' })

carrying('survives toJSON, structured clone and from', () => {
  const error = new CacheError('ERR_DCACHE_READ_FAILED', 'block 3 could not be read', { cause })
  const there = structuredClone(error.toJSON())
  const back = CacheError.from(there)
  const found = assertRefusal('ERR_DCACHE_READ_FAILED', back, 'block 3 could not be read')
  assert.is(found.name, 'CacheError')
  const { message, code, errno, syscall } = found.cause as NodeJS.ErrnoException
  assert.equal(
    { message, code, errno, syscall },
    { message: cause.message, code: 'EIO', errno: -5, syscall: 'read' },
  )
  assert.equal(found.toJSON(), error.toJSON())
  assert.equal(JSON.parse(JSON.stringify(error)), error.toJSON())
})

carrying('has no cause where the original had none or one that is no error', () => {
  for (const options of [undefined, { cause: undefined }, { cause: 'words' }]) {
    const error = new CacheError('ERR_DCACHE_CLOSED', 'the cache is closed', options)
    const found = assertRefusal('ERR_DCACHE_CLOSED', CacheError.from(structuredClone(error.toJSON())))
    assert.is(found.cause, undefined)
  }
})

carrying('is left as it is by from when it is no CacheError', () => {
  const things = [
    undefined,
    null,
    5,
    'ERR_DCACHE_CLOSED',
    new Error('x'),
    { code: 'ENOENT' },
    { code: 'toString' },
    {},
  ]
  for (const thing of things) assert.is(CacheError.from(thing), thing)
  const error = new CacheError('ERR_DCACHE_CLOSED', 'x')
  assert.is(CacheError.from(error), error)
})

carrying('survives postMessage from a worker', async () => {
  const text = `
    import { parentPort } from 'node:worker_threads'
    const { CacheError } = await import(${JSON.stringify(import.meta.resolve('dcache'))})
    parentPort.postMessage(new CacheError('ERR_DCACHE_TIMEOUT', 'too late', { cause: new Error('why') }).toJSON())`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`))
  const message = await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const error = assertRefusal('ERR_DCACHE_TIMEOUT', CacheError.from(message), 'too late')
  assert.is((error.cause as Error).message, 'why')
})

carrying('keeps its message when the engine threw it in a thread', () =>
  withCache({}, async ({ cache }) => {
    const error = await refusal('ERR_DCACHE_OUT_OF_RANGE', () =>
      inThread(cache.handle, 0, ({ client }) => client.partition('data').acquireSync(64, 'read').block),
    )
    assert.match(error.message, /block 64 .*'data'.* 0 to 63/)
  }),
)

carrying.run()

const codes = suite('codes')

for (const [code, what] of Object.entries(CODES)) {
  codes(code, () => {
    assert.match(code, /^ERR_DCACHE_[A-Z_]+$/)
    assert.ok(what.length > 20, 'it says what it means')
    const users = [...readSources()].filter(
      ([path, text]) => path !== 'shared/errors.ts' && text.includes(`'${code}'`),
    )
    assert.is.not(users.length, 0, 'the engine uses it')
  })
}

codes('the sources name no other', () => {
  for (const [path, text] of readSources()) {
    for (const [, code] of text.matchAll(/'(ERR_DCACHE_[A-Z_]+)'/g)) {
      assert.ok(Object.hasOwn(CODES, code!), `${path}: ${code!}`)
    }
  }
})

codes.run()
