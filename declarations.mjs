// Writes the .d.ts of an entry of the package: one flat file of what it exports and what those types name, so that the compiler
// of a user reads nothing of the inside. tsc writes the declarations of all of src/ first; this picks from them.

import { writeFileSync } from 'node:fs'
import ts from 'typescript'

const HEAD = `/** dcache: a disk block cache that all threads of a Node.js process share. */\n`

/** The text of one file for the declarations that a module exports. What `main` exports is imported from `mainName` instead. */
function flatten({ entry, main, mainName }) {
  const entries = main === undefined ? [entry] : [entry, main]
  const program = ts.createProgram(entries, { module: ts.ModuleKind.NodeNext, types: ['node'] })
  const checker = program.getTypeChecker()
  const exportsOf = (path) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path)))
  const texts = new Map()
  const imports = new Map()

  const unaliased = (symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  const isOwn = (file) =>
    !file.fileName.includes('/node_modules/') && !program.isSourceFileDefaultLibrary(file)

  /** The statement that declares something at the top of a file: of a const it is two levels up. */
  function statementOf(declaration) {
    let node = declaration
    while (node.parent && !ts.isSourceFile(node.parent)) node = node.parent
    return node
  }

  /** A name of another package, and how it is imported. */
  function keepImport(symbol) {
    const specifier = symbol.declarations?.find(ts.isImportSpecifier)
    if (specifier === undefined) return
    const from = specifier.parent.parent.parent.moduleSpecifier.text
    imports.set(specifier.name.text, `import type { ${specifier.getText()} } from '${from}'`)
  }

  const ofMain = new Set(main === undefined ? [] : exportsOf(main).map(unaliased))

  function add(symbol) {
    if (ofMain.has(unaliased(symbol))) {
      imports.set(symbol.name, `import type { ${symbol.name} } from '${mainName}'`)
      return
    }
    for (const declaration of unaliased(symbol).declarations ?? []) {
      const statement = statementOf(declaration)
      if (!isOwn(statement.getSourceFile()) || declaration.parent.kind === ts.SyntaxKind.TypeParameter)
        continue
      const isTop = statement === declaration || ts.isVariableDeclaration(declaration)
      if (!isTop || texts.has(statement)) continue
      texts.set(statement, textOf(statement))
      visit(statement)
    }
  }

  function visit(node) {
    if (ts.isIdentifier(node)) {
      const symbol = checker.getSymbolAtLocation(node)
      if (symbol) {
        if (symbol.flags & ts.SymbolFlags.Alias) keepImport(symbol)
        add(symbol)
      }
    }
    if (ts.isImportTypeNode(node)) throw new Error(`a public type is inferred: ${node.getText()}`)
    ts.forEachChild(node, visit)
  }

  const exported = exportsOf(entry)
  for (const symbol of exported) add(symbol)
  const names = new Set(exported.map((symbol) => symbol.name))
  const hidden = [...texts.keys()].filter(
    (statement) => !names.has(statement.name?.text) && !ts.isVariableStatement(statement),
  )
  if (hidden.length > 0)
    throw new Error(`types that are not exported: ${hidden.map((node) => node.name?.text).join(', ')}`)
  const ownImports = [...imports].filter(([name]) => !names.has(name)).map(([, text]) => text)
  return [HEAD, ...new Set(ownImports), '', ...texts.values()].join('\n') + '\n'
}

/** A statement as it stands, with the comment right before it. */
function textOf(statement) {
  const source = statement.getSourceFile().text
  const last = ts.getLeadingCommentRanges(source, statement.getFullStart())?.at(-1)
  const isNear = last !== undefined && !source.slice(last.end, statement.getStart()).includes('\n\n')
  return source.slice(isNear ? last.pos : statement.getStart(), statement.end)
}

export function writeDeclarations({ target, ...from }) {
  writeFileSync(target, flatten(from))
}
