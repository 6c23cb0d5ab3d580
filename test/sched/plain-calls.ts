// Turns the plain accesses to the shared words, in a copy of the compiled code, into calls.
//
//   words[at] = v      $put(words, at, v)
//   words[at] += v     $put(words, at, words[at] + (v))
//   words[at]++        $put(words, at, words[at] + 1) - 1
//   words[at]          $get(words, at)
//
// With `stores`, every store has a point before it, so that deaths between two stores, and what other threads see between
// them, are explored. With `weak`, loads are calls too, so that the weak memory decides what they return.

import ts from 'typescript'

export interface Accesses {
  readonly stores: boolean
  readonly weak: boolean
}

/** The outcomes: most files are the same in every variant. */
const changed = new Map<string, string>()

/** Changes the text of a module. */
export function withPlainCalls(text: string, { stores, weak }: Accesses): string {
  const key = `${stores} ${weak} ${text}`
  let result = changed.get(key)
  if (result === undefined) {
    const rewritten = new Rewriter(text, weak).text
    const names = `${stores ? 'plainStore' : 'put'} as $put, get as $get`
    result = rewritten === text ? text : `import { ${names} } from '#atomics'\n${rewritten}`
    changed.set(key, result)
  }
  return result
}

class Rewriter {
  readonly text: string
  readonly #file: ts.SourceFile
  readonly #withLoads: boolean

  constructor(text: string, withLoads: boolean) {
    this.#file = ts.createSourceFile('module.js', text, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS)
    this.#withLoads = withLoads
    this.text = this.#rewrite(this.#file)
  }

  /** The text of a node, with the accesses in it replaced. */
  #rewrite(node: ts.Node): string {
    const file = this.#file
    const store = this.#storeOf(node)
    if (store !== undefined) return store
    if (this.#withLoads && isWord(node)) return this.#load(node)
    let out = ''
    let end = node === file ? 0 : node.getStart(file)
    ts.forEachChild(node, (child) => {
      const start = child.getStart(file)
      out += file.text.slice(end, start) + this.#rewrite(child)
      end = child.getEnd()
    })
    return out + file.text.slice(end, node.getEnd())
  }

  #storeOf(node: ts.Node): string | undefined {
    if (ts.isBinaryExpression(node) && isWord(node.left)) {
      const value = this.#rewrite(node.right)
      const operator = node.operatorToken.getText(this.#file)
      if (operator === '=') return this.#put(node.left, value)
      if (operator.endsWith('=') && !/^[=!<>]/.test(operator))
        return this.#put(node.left, `${this.#load(node.left)} ${operator.slice(0, -1)} (${value})`)
    }
    if ((ts.isPostfixUnaryExpression(node) || ts.isPrefixUnaryExpression(node)) && isWord(node.operand)) {
      const up = node.operator === ts.SyntaxKind.PlusPlusToken
      if (!up && node.operator !== ts.SyntaxKind.MinusMinusToken) return undefined
      const stored = this.#put(node.operand, `${this.#load(node.operand)} ${up ? '+' : '-'} 1`)
      return ts.isPrefixUnaryExpression(node) ? stored : `(${stored} ${up ? '-' : '+'} 1)`
    }
    return undefined
  }

  #put(target: ts.ElementAccessExpression, value: string): string {
    return `$put(${this.#operands(target)}, ${value})`
  }

  #load(source: ts.ElementAccessExpression): string {
    return this.#withLoads ? `$get(${this.#operands(source)})` : source.getText(this.#file)
  }

  #operands({ expression, argumentExpression }: ts.ElementAccessExpression): string {
    return `${expression.getText(this.#file)}, ${this.#rewrite(argumentExpression)}`
  }
}

/** Whether the node is an element of an array called `words` or `#words`. */
function isWord(node: ts.Node): node is ts.ElementAccessExpression {
  if (!ts.isElementAccessExpression(node)) return false
  const { expression } = node
  const name = ts.isPropertyAccessExpression(expression) ? expression.name.text : undefined
  return (name ?? (ts.isIdentifier(expression) ? expression.text : '')).replace('#', '') === 'words'
}
