import { once } from 'node:events'
import { join } from 'node:path'
import { bundled } from './bundled.ts'
import { type Program, startProgram } from './process.ts'

const ROOT = join(import.meta.dirname, '..', '..')

export interface Demo {
  url: string
  /** All that it has printed. */
  output(): string
  /** Ends it, and all programs of its group as Ctrl+C at a terminal does where the signal is SIGINT. */
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<void>
}

/** How the demo is started, besides its port: without the URLs of servers that this process has in its environment. */
export interface DemoOptions {
  args?: string[]
  /** The file that is run; default: demo/server.ts. */
  file?: string
  env?: Record<string, string>
}

/** Starts the demo as `npm run demo` does, after the build, on a free port; without options with the memory source. */
export async function startDemo(options: DemoOptions = {}): Promise<Demo> {
  const { child, output } = await runDemo('0', options)
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', () => {
      const found = /http:\/\/localhost:\d+/.exec(output())
      if (found) resolve(found[0])
    })
    child.once('close', () => reject(new Error(`The demo ended at once:\n${output()}`)))
  })
  return {
    url,
    output,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      if (signal === 'SIGINT' && child.pid) process.kill(-child.pid, signal)
      else child.kill(signal)
      const [code] = await closed
      if (code !== 0) throw new Error(`The demo ended with ${code}:\n${output()}`)
    },
  }
}

/** Starts the demo's process on a port; `output()` is all it has printed. */
export async function runDemo(
  port: string,
  { args = [], file, env = {} }: DemoOptions = {},
): Promise<Program> {
  const { MONGODB_URL: _, REDIS_URL: __, POSTGRES_URL: ___, MARIADB_URL: ____, ...inherited } = process.env
  const server = await bundled(join(ROOT, 'demo', 'server.ts'))
  const program = file === undefined ? server : await bundled(join(ROOT, file))
  return startProgram(process.execPath, [program, ...args], {
    cwd: ROOT,
    env: { ...inherited, ...env, PORT: port, NODE_PROGRAM: server },
  })
}

/** A stream of one of the demo's servers, as bytes: a handshake as this user, then the stream with its token. */
export async function recordStream(
  url: string,
  user: string,
  path = '/particle',
): Promise<{ text: () => string; close: () => void }> {
  const handshake = await fetch(`${url}${path}/handshake`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ identity: { user } }),
  })
  const { token, stream } = (await handshake.json()) as { token: string; stream: string }
  const abort = new AbortController()
  const response = await fetch(new URL(stream, url), {
    headers: { Authorization: `Bearer ${token}` },
    signal: abort.signal,
  })
  if (!response.ok || !response.body) throw new Error(`The stream was refused: ${response.status}`)
  const chunks: Uint8Array[] = []
  const reading = (async (body: AsyncIterable<Uint8Array>) => {
    for await (const chunk of body) chunks.push(chunk)
  })(response.body as unknown as AsyncIterable<Uint8Array>)
  reading.catch(() => {}) // aborting ends it with an error
  return { text: () => Buffer.concat(chunks).toString(), close: () => abort.abort() }
}

/** A REST call as this user. */
export function callApi(
  url: string,
  user: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Response> {
  return fetch(`${url}/api/${path}`, {
    method,
    headers: { 'X-User': user, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
}

/** Resolves once the check holds; rejects after 20 seconds, with what was waited for. */
export async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
