import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { outputOf, ROOT, run } from './packed.ts'
import { pythonWith } from './pypi.ts'

/** The folder of the Python client. */
export const FOLDER = join(ROOT, 'clients', 'python')

/** Python with the client's tools. */
export interface Python {
  readonly path: string
  /** Runs a module in the client's folder. Rejects with what the module wrote if it fails. */
  run(...args: string[]): Promise<void>
}

/**
 * Returns Python with the client's tools. Where there is none, or PyPI can't be reached, the specs of the context
 * are skipped with the reason; in CI they fail.
 */
export async function pythonOrSkip(context: Mocha.Context): Promise<Python> {
  context.timeout(400_000) // on a bare machine the tools are installed first
  try {
    const list = await readFile(join(FOLDER, 'requirements-test.txt'), 'utf8')
    const digest = createHash('sha256').update(list).digest('hex').slice(0, 12)
    await run('python3', ['-c', 'import sys; assert sys.version_info >= (3, 10), sys.version'])
    const path = await pythonWith(`particle-client-${digest}`, list.trim().split('\n'))
    return { path, run: (...args) => runModule(path, args) }
  } catch (error) {
    if (process.env.CI) throw error
    console.log(
      `      There is no Python with the client's tools: ${outputOf(error).trim().split('\n').at(-1)}`,
    )
    return context.skip()
  }
}

async function runModule(python: string, args: readonly string[]): Promise<void> {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  try {
    await run(python, ['-m', ...args], { cwd: FOLDER, env })
  } catch (error) {
    throw new Error(`python -m ${args.join(' ')}:\n${outputOf(error)}`)
  }
}
