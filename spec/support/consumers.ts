import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from './packed.ts'
import { type Project, Projects } from './projects.ts'

const FOLDER = join(ROOT, 'spec', 'consumers', 'projects')
const CONSUMERS = new Projects(FOLDER, {
  list: () => readFile(join(FOLDER, 'package.json'), 'utf8'),
  shared: ['live.cjs'],
})

/** Makes a project with the files of `spec/consumers/projects/<name>`: see {@link Projects.projectOrSkip}. */
export async function projectOrSkip(context: Mocha.Context, name: string): Promise<Project> {
  return CONSUMERS.projectOrSkip(context, name)
}

export type { Project }

/** What `live.cjs` returns where all is well. */
export const LIVE = JSON.stringify({
  data: { users: [{ _id: 1, name: 'Eva' }] },
  script: true,
  released: true,
  middleware: true,
  error: true,
})
