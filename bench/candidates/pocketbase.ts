import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { StartProgram } from '../candidate.ts'
import { noteOf } from '../event.ts'
import { Program } from '../program.ts'

const USER = { identity: 'bench@example.com', password: 'of-the-benchmark' }

/** PocketBase with records of a note, which all may read: its realtime API sends a changed record. Several changes are one batch. */
export const start: StartProgram = async ({ people }) => {
  const program = await Program.start(
    'pocketbase',
    (port, folder, file) => {
      // Beside it, PocketBase keeps a folder of migrations.
      const data = ['--dir', join(folder, 'data')]
      spawnSync(file, ['superuser', 'upsert', USER.identity, USER.password, ...data])
      return { args: ['serve', ...data, '--http', `127.0.0.1:${port}`] }
    },
    '/api/health',
  )
  const login = await program.request('POST', '/api/collections/_superusers/auth-with-password', USER)
  const headers = { Authorization: (login as { token: string }).token }
  await program.request('PATCH', '/api/settings', { batch: { enabled: true, maxRequests: 1000 } }, headers)
  const fields = [{ name: 'note', type: 'text' }]
  const collection = { name: 'people', type: 'base', listRule: '', viewRule: '', fields }
  await program.request('POST', '/api/collections', collection, headers)
  const ids: string[] = []
  while (ids.length < people) {
    const record = await program.request('POST', '/api/collections/people/records', { note: '' }, headers)
    ids.push((record as { id: string }).id)
  }
  let number = 0
  const next = () => ({
    method: 'PATCH',
    url: `/api/collections/people/records/${ids[number % people]}`,
    body: { note: noteOf(number++) },
  })
  return {
    program,
    wire: 'pocketbase',
    path: '/api/realtime',
    change: async (count) => {
      if (count === 1) {
        const { method, url, body } = next()
        await program.request(method, url, body, headers)
      } else {
        const requests = Array.from({ length: count }, next)
        await program.request('POST', '/api/batch', { requests }, headers)
      }
    },
  }
}
