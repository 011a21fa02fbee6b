import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import jwt from 'jsonwebtoken'
import type { StartProgram } from '../candidate.ts'
import { deltaOf } from '../event.ts'
import { Program } from '../program.ts'

const KEY = 'a key of the benchmark, long enough for HS256'
const TOPIC = 'people'
const PATH = '/.well-known/mercure'

/** Mercure without history, for subscribers who need no token. Each change is published by a request. */
export const start: StartProgram = async ({ people }) => {
  const program = await Program.start(
    'mercure',
    (port, folder) => {
      const config = join(folder, 'Caddyfile')
      const hub = `mercure {\npublisher_jwt "${KEY}"\nanonymous\ntransport local\n}`
      writeFileSync(
        config,
        `{\nauto_https off\nadmin off\n}\nhttp://127.0.0.1:${port} {\n${hub}\nrespond 404\n}\n`,
      )
      return { args: ['run', '--config', config, '--adapter', 'caddyfile'] }
    },
    '/',
  )
  const headers = { Authorization: `Bearer ${jwt.sign({ mercure: { publish: ['*'] } }, KEY)}` }
  let number = 0
  return {
    program,
    wire: 'sse',
    path: `${PATH}?topic=${TOPIC}`,
    change: async (count) => {
      const updates = Array.from(
        { length: count },
        () => new URLSearchParams({ topic: TOPIC, data: JSON.stringify(deltaOf(number++, people)) }),
      )
      await Promise.all(updates.map((update) => program.request('POST', PATH, update, headers)))
    },
  }
}
