/** Two nodes of the demo, behind a balancer that can kill either. `npm run demo:nodes -- --source redis` runs it. */

import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { shareSource } from './source.ts'

/** The program of a node: this folder's, or a build of it. */
const { NODE_PROGRAM: SERVER = fileURLToPath(new URL('server.ts', import.meta.url)) } = process.env
/** How long a killed node stays away, so that the other one is seen to serve its clients. */
const AWAY_MS = 3000

const args = process.argv.slice(2)
const source = await shareSource(args).catch((error: Error) => {
  console.error(error.message)
  process.exit(1)
})
// Both nodes seal tokens and positions with one secret, so that a client goes on at the other node.
const env = { ...process.env, ...source.env, PORT: '0', PARTICLE_SECRET: randomBytes(32).toString('hex') }
const children = new Map<string, ChildProcess>()
const ports = new Map<string, number>()
let isEnding = false
let next = 0

await start('A') // fills an empty database
await start('B')

const balancer = createServer((incoming, response) => {
  const killed = incoming.method === 'DELETE' && /^\/nodes\/([AB])$/.exec(incoming.url ?? '')?.[1]
  if (killed) children.get(killed)?.kill('SIGKILL')
  if (killed) response.writeHead(204).end()
  else pass(incoming, response)
})
balancer.listen(Number(process.env.PORT ?? 3000))
await once(balancer, 'listening')
const { port } = balancer.address() as AddressInfo
console.log(`The demo is at http://localhost:${port} (two nodes; Ctrl+C ends it).`)

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)

/** Starts a node, and again after it was killed. Resolves when it listens. */
async function start(name: string): Promise<void> {
  const child = fork(SERVER, args, {
    env: { ...env, NODE_NAME: name },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  children.set(name, child)
  child.once('exit', (code) => {
    ports.delete(name)
    if (isEnding) return
    if (code) void end(code)
    else setTimeout(() => start(name), AWAY_MS)
  })
  const [port] = (await once(child, 'message')) as [number]
  ports.set(name, port)
}

/** Passes a request on to the next node that runs. */
function pass(incoming: IncomingMessage, response: ServerResponse): void {
  const running = [...ports.values()]
  const port = running[next++ % running.length]
  const { method, url: path, headers } = incoming
  const outgoing = request({ port, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
    // A node that is killed cuts its streams: so does the balancer.
    answer.once('error', () => response.destroy())
  })
  outgoing.once('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()))
  response.once('close', () => outgoing.destroy())
  incoming.pipe(outgoing)
}

async function end(code: unknown): Promise<void> {
  if (isEnding) return
  isEnding = true
  balancer.close()
  balancer.closeAllConnections()
  const running = [...children.values()].filter(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  )
  await Promise.all(running.map((child) => [once(child, 'exit'), child.kill()][0]))
  await source.stop()
  process.exit(typeof code === 'number' ? code : 0)
}
