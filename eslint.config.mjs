// The rules of eslint. Type-aware checks run on all TypeScript; prettier owns the layout.

import js from '@eslint/js'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

// Every other file goes through this one, which a test can exchange for its own scheduler.
const atomicsModule = 'src/shared/atomics.ts'
const useAtomicsModule = `Import #atomics: only ${atomicsModule} names the global Atomics.`

export default defineConfig(
  { ignores: ['node_modules/', 'dist/', 'build/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // Layouts establish the bounds of the typed arrays that the code indexes.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // An index loop over shared memory says what it reads, and when.
      '@typescript-eslint/prefer-for-of': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // `while (true)` around a compare-and-swap is the plain way to write a retry.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      // An async method may be there for its interface's sake.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      // A word of shared memory is a number; enums name the values that it may have.
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      '@typescript-eslint/prefer-literal-enum-member': ['error', { allowBitwiseExpressions: true }],
      // A word's bits and the shifts between them stand in one enum.
      '@typescript-eslint/no-duplicate-enum-values': 'off',
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: [atomicsModule],
    rules: {
      'no-restricted-globals': [
        'error',
        { name: 'Atomics', message: useAtomicsModule },
        { name: 'performance', message: 'Import it: the global is a getter, run at every use.' },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'globalThis', property: 'Atomics', message: useAtomicsModule },
      ],
    },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        Buffer: 'readonly',
        clearTimeout: 'readonly',
        console: 'readonly',
        performance: 'readonly',
        process: 'readonly',
        setTimeout: 'readonly',
        URL: 'readonly',
      },
    },
  },
)
