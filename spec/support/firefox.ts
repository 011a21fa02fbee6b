import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { findOrInstall } from './debian.ts'
import { startProgram } from './process.ts'

/**
 * A headless Firefox with one tab, which is driven by WebDriver BiDi: Playwright drives none but its own
 * build.
 */
export interface Firefox {
  goto(url: string): Promise<void>
  /** Goes so many steps through the history. */
  step(delta: number): Promise<void>
  reload(): Promise<void>
  /** Evaluates an expression of a text in the page. */
  read(expression: string): Promise<string>
  close(): Promise<void>
}

/**
 * Starts the Firefox of `FIREFOX_PATH`, else one on the PATH, else Debian's, which it installs where it may.
 * Where there is none, the specs of the context are skipped with the reason; in CI (`CI` is set) they fail.
 */
export async function firefoxOrSkip(context: Mocha.Context): Promise<Firefox> {
  context.timeout(300_000) // on a bare machine it is installed first
  const command = process.env.FIREFOX_PATH || findOrInstall(['firefox-esr', 'firefox'], 'firefox-esr')
  if (command === undefined) {
    const missing = 'There is no Firefox: set FIREFOX_PATH, or install the package firefox-esr.'
    if (process.env.CI) throw new Error(missing)
    console.log(`      ${missing}`)
    return context.skip()
  }
  const profile = await mkdtemp(join(tmpdir(), 'particle-firefox-'))
  const program = startProgram(command, ['--headless', '--remote-debugging-port=0', '--profile', profile])
  const stop = async () => {
    await program.stop()
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const send = await connect(await addressIn(program))
    await send('session.new', { capabilities: {} })
    const { contexts } = await send('browsingContext.getTree', {})
    const tab = { context: (contexts as { context: string }[])[0]?.context }
    return {
      goto: async (url) => void (await send('browsingContext.navigate', { ...tab, url, wait: 'complete' })),
      step: async (delta) => void (await send('browsingContext.traverseHistory', { ...tab, delta })),
      reload: async () => void (await send('browsingContext.reload', { ...tab, wait: 'complete' })),
      read: async (expression) => {
        const { result } = await send('script.evaluate', { expression, target: tab, awaitPromise: true })
        return String((result as { value?: unknown } | undefined)?.value)
      },
      close: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Waits until Firefox says where it is driven from. */
async function addressIn(program: ReturnType<typeof startProgram>): Promise<string> {
  for (let tries = 0; tries < 600; tries++) {
    const [, address] = /WebDriver BiDi listening on (ws:\S+)/.exec(program.output()) ?? []
    if (address) return `${address}/session`
    if (program.child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`Firefox does not start: ${program.output()}`)
}

/** Connects to Firefox. Resolves to a function that sends a command and resolves with its result. */
async function connect(
  address: string,
): Promise<(method: string, params: object) => Promise<Record<string, unknown>>> {
  const socket = new WebSocket(address)
  await once(socket, 'open')
  let last = 0
  const waiting = new Map<number, (answer: { error?: string; message?: string; result?: object }) => void>()
  socket.on('message', (data) => {
    const answer = JSON.parse(String(data))
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  return (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++last
      waiting.set(id, ({ error, message, result }) => {
        if (error) reject(new Error(`${method}: ${error}: ${message}`))
        else resolve(result as Record<string, unknown>)
      })
      socket.send(JSON.stringify({ id, method, params }))
    })
}
