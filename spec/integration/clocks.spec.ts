import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'chai'
import { Client } from '../../lib/client/index.ts'
import { bundled } from '../support/bundled.ts'

/** A node as a process of its own, whose clock is off by some milliseconds. */
class SkewedNode {
  readonly url: string
  readonly #child: ChildProcess
  #calls = 0

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.url = `http://127.0.0.1:${port}/particle`
  }

  static async start(skew: number): Promise<SkewedNode> {
    const child = fork(await bundled(join(import.meta.dirname, '../support/skewed.ts')), {
      env: { ...process.env, CLOCK_SKEW: `${skew}` },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    const port = await new Promise<number>((resolve, reject) => {
      child.stdout?.once('data', (chunk) => resolve(Number(String(chunk))))
      child.once('exit', (code) => reject(new Error(`The node ended with ${code}`)))
    })
    return new SkewedNode(child, port)
  }

  /** Has the server revoke or refresh the rights of a user. */
  async call(call: 'revoke' | 'refresh', user: string): Promise<void> {
    const id = ++this.#calls
    const answered = new Promise<void>((resolve) => {
      const hear = (message: unknown) => {
        if ((message as { id: number }).id !== id) return
        this.#child.off('message', hear)
        resolve()
      }
      this.#child.on('message', hear)
    })
    this.#child.send({ id, call, user })
    await answered
  }

  async handshake(headers: Record<string, string>, previous?: string) {
    const response = await fetch(`${this.url}/handshake`, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: JSON.stringify({ identity: null, carrier: 'header', previous }),
    })
    const { token, error } = (await response.json()) as { token: string; error?: { code: string } }
    return { status: response.status, token, code: error?.code }
  }

  /** Opens a stream, and closes it at once. */
  async open(token: string) {
    const controller = new AbortController()
    const { signal } = controller
    const response = await fetch(`${this.url}/stream`, {
      headers: { Authorization: `Bearer ${token}` },
      signal,
    })
    const { error } = response.ok
      ? {}
      : ((await response.json()) as { error: { code: string; token?: string } })
    controller.abort()
    return { status: response.status, code: error?.code, token: error?.token }
  }

  stop(): void {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGKILL')
  }
}

describe('Nodes of one secret whose clocks differ', () => {
  for (const skew of [-3_000, 3_000]) {
    describe(`by ${skew} ms`, () => {
      let [own, other]: SkewedNode[] = []

      before(async () => {
        ;[own, other] = await Promise.all([SkewedNode.start(0), SkewedNode.start(skew)])
      })
      after(() => {
        for (const node of [own, other]) node?.stop()
      })

      const nodes = () => {
        if (!own || !other) throw new Error('The nodes were not started')
        return { own, other }
      }

      it('open no stream by a token that the other one gave before a user was banned', async () => {
        const { own, other } = nodes()
        const { token } = await other.handshake({ user: 'eve' })
        await own.call('revoke', 'eve')
        const opened = await own.open(token)
        expect(opened.status).to.equal(401)
        // The token that came with the refusal is of no more use, here or there.
        const given = opened.token ?? token
        for (const node of [own, other]) expect((await node.open(given)).status).to.equal(401)
        const again = await other.handshake({ user: 'eve', banned: 'yes' }, given)
        expect([again.status, again.code]).to.deep.equal([401, 'UNAUTHORIZED'])
      })

      it('open one by a token that the other one gave after it, with one more handshake at most', async () => {
        const { own, other } = nodes()
        await own.call('revoke', 'ann')
        const { token } = await other.handshake({ user: 'ann' })
        const first = await own.open(token)
        if (first.status !== 200) {
          expect([first.status, first.code]).to.deep.equal([401, 'TOKEN_STALE'])
          const next = await other.handshake({ user: 'ann' }, first.token)
          expect((await own.open(next.token)).status).to.equal(200)
        }
      })

      it('keep a client at work whose handshakes go to the one and whose streams to the other', async () => {
        const { own, other } = nodes()
        const errors: unknown[] = []
        const client = new Client({
          url: own.url,
          onError: (error) => errors.push(error),
          identity: null,
          fetch: (input, init) => {
            const address = String(input)
            const headers = new Headers(init?.headers)
            headers.set('user', 'ben')
            const isHandshake = address.endsWith('/handshake')
            return fetch(isHandshake ? address.replace(own.url, other.url) : address, { ...init, headers })
          },
        })
        await client.ready()
        for (let turn = 0; turn < 3; turn++) {
          await own.call('refresh', 'ben')
          await client.ready()
        }
        client.close()
        expect(errors).to.deep.equal([])
      })
    })
  }
})
