import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Demo {
  url: string
  stop(): Promise<void>
}

/** Starts the demo as `npm run demo` does, after the build, on a free port and with the memory source. */
export async function startDemo(): Promise<Demo> {
  const { child, output } = runDemo('0')
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', () => {
      const found = /http:\/\/localhost:\d+/.exec(output())
      if (found) resolve(found[0])
    })
    child.once('exit', () => reject(new Error(`The demo ended at once:\n${output()}`)))
  })
  return {
    url,
    stop: async () => {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

/** Starts the demo's process on a port; `output()` is all it has printed. */
export function runDemo(port: string): { child: ChildProcess; output: () => string } {
  const { MONGODB_URL: _, ...env } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', 'demo/server.ts'], {
    cwd: ROOT,
    env: { ...env, PORT: port },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  return { child, output: () => text }
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

/** Resolves once the check holds; rejects after 5 seconds, with what was waited for. */
export async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5000
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
