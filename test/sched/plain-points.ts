// Turns every plain store to the shared words, in a copy of the compiled code, into a call with a point before it, so that
// deaths between two stores, and what other threads see between them, are explored.
//
//   words[at] = v      plainStore(words, at, v)
//   words[at] += v     plainStore(words, at, words[at] + (v))
//   words[at]++        plainStore(words, at, words[at] + 1) - 1

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

/** Changes all files below a folder. */
export function withPlainPoints(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js')) continue
    const path = join(folder, name)
    const text = readFileSync(path, 'utf8')
    const changed = transform(text)
    if (changed !== text) writeFileSync(path, `import { plainStore as $store } from '#atomics'\n${changed}`)
  }
}

function transform(text: string): string {
  const file = ts.createSourceFile('module.js', text, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS)
  return rewrite(file, file)
}

/** The text of a node, with the stores in it replaced. */
function rewrite(node: ts.Node, file: ts.SourceFile): string {
  const store = storeOf(node, file)
  if (store !== undefined) return store
  const text = file.text
  let out = ''
  let end = node === file ? 0 : node.getStart(file)
  ts.forEachChild(node, (child) => {
    const start = child.getStart(file)
    out += text.slice(end, start) + rewrite(child, file)
    end = child.getEnd()
  })
  return out + text.slice(end, node.getEnd())
}

function storeOf(node: ts.Node, file: ts.SourceFile): string | undefined {
  if (ts.isBinaryExpression(node) && isWord(node.left)) {
    const value = rewrite(node.right, file)
    const operator = node.operatorToken.getText(file)
    if (operator === '=') return call(node.left, value, file)
    if (operator.endsWith('=') && !/^[=!<>]/.test(operator))
      return call(node.left, `${node.left.getText(file)} ${operator.slice(0, -1)} (${value})`, file)
  }
  if ((ts.isPostfixUnaryExpression(node) || ts.isPrefixUnaryExpression(node)) && isWord(node.operand)) {
    const up = node.operator === ts.SyntaxKind.PlusPlusToken
    if (!up && node.operator !== ts.SyntaxKind.MinusMinusToken) return undefined
    const stored = call(node.operand, `${node.operand.getText(file)} ${up ? '+' : '-'} 1`, file)
    return ts.isPrefixUnaryExpression(node) ? stored : `(${stored} ${up ? '-' : '+'} 1)`
  }
  return undefined
}

function call(target: ts.ElementAccessExpression, value: string, file: ts.SourceFile): string {
  const index = rewrite(target.argumentExpression, file)
  return `$store(${target.expression.getText(file)}, ${index}, ${value})`
}

/** Whether the node is an element of an array called `words` or `#words`. */
function isWord(node: ts.Node): node is ts.ElementAccessExpression {
  if (!ts.isElementAccessExpression(node)) return false
  const { expression } = node
  const name = ts.isPropertyAccessExpression(expression) ? expression.name.text : undefined
  return (name ?? (ts.isIdentifier(expression) ? expression.text : '')).replace('#', '') === 'words'
}
