// Errors: one class; each has a code and a message, which survive a structured clone.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError, type CacheErrorCode, CODES } from '#dist/shared/errors.js'

test('every code has its prefix and says what it means', () => {
  for (const [code, meaning] of Object.entries(CODES)) {
    assert.match(code, /^ERR_DCACHE_[A-Z_]+$/)
    assert.ok(meaning.length > 20, code)
  }
})

test('an error has name, code, message and cause', () => {
  const cause = new Error('why')
  const error = new CacheError('ERR_DCACHE_TIMEOUT', 'block 3', { cause })
  assert.instance(error, Error)
  assert.is(error.name, 'CacheError')
  assert.is(error.code, 'ERR_DCACHE_TIMEOUT')
  assert.is(error.message, 'block 3')
  assert.is(error.cause, cause)
  assert.match(error.stack ?? '', 'errors.test')
})

test('an error passes through a structured clone as its JSON', () => {
  const cause = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', errno: -5, syscall: 'read' })
  for (const code of Object.keys(CODES) as CacheErrorCode[]) {
    const back = CacheError.from(structuredClone(new CacheError(code, 'm', { cause }).toJSON()))
    assert.instance(back, CacheError)
    const error = back as CacheError
    assert.is(error.code, code)
    assert.is(error.message, 'm')
    const { message, code: name, errno, syscall } = error.cause as NodeJS.ErrnoException
    assert.equal([message, name, errno, syscall], ['EIO: i/o error, read', 'EIO', -5, 'read'])
  }
  const text = JSON.stringify(new CacheError('ERR_DCACHE_CLOSED', 'gone'))
  assert.equal(JSON.parse(text), { name: 'CacheError', code: 'ERR_DCACHE_CLOSED', message: 'gone' })
  const plain = CacheError.from(JSON.parse(text)) as CacheError
  assert.is(plain.code, 'ERR_DCACHE_CLOSED')
  assert.is(plain.cause, undefined)
})

test('a cause that is no error is left out, and one without a system code keeps its message', () => {
  assert.is(new CacheError('ERR_DCACHE_ABORTED', 'm', { cause: 'reason' }).toJSON().cause, undefined)
  assert.equal(new CacheError('ERR_DCACHE_ABORTED', 'm', { cause: new TypeError('t') }).toJSON().cause, {
    message: 't',
  })
})

test('from returns any other value unchanged', () => {
  const ours = new CacheError('ERR_DCACHE_CLOSED', 'm')
  for (const thing of [
    ours,
    undefined,
    null,
    5,
    'text',
    {},
    new Error('x'),
    { code: 'EIO', message: 'x' },
    { code: 7 },
  ])
    assert.is(CacheError.from(thing), thing)
})

test.run()
