import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import { bundled } from '../support/bundled.ts'
import { until } from '../support/local.ts'
import { freePort, type Program, startProgram } from '../support/process.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const GUIDES = join(ROOT, 'docs', 'guides')
const BRIDGE = join(ROOT, 'spec', 'support', 'bridge.ts')
const SAMPLE = /```js\n(process\.on\('SIGTERM'[\s\S]*?)```/g

/*
 * Deploys meet this so: a browser has opened a connection ahead that carries no request yet, when its page's server
 * gets SIGTERM. Node waits a minute for such a connection.
 */
describe('The SIGTERM handlers of the guides', () => {
  const programs: Program[] = []
  const sockets: Socket[] = []
  const clients: Client[] = []
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    for (const socket of sockets.splice(0)) socket.destroy()
    await Promise.all(programs.splice(0).map((program) => program.stop('SIGKILL')))
  })

  /** Starts a process with a sample, and connects a client. */
  async function serve(sample: string, isWeb: boolean): Promise<{ program: Program; port: number }> {
    const port = await freePort()
    const handler = isWeb ? 'bridge(fetchHandler(server.middleware()))' : 'server.middleware()'
    const code = `
      import { createServer } from 'node:http'
      import { setTimeout as pause } from 'node:timers/promises'
      import { Server } from 'particle'
      import { fetchHandler } from 'particle/fetch'
      import { memory } from 'particle/memory'
      import { bridge } from '${await bundled(BRIDGE)}'
      const notes = { manifest: true, collection: memory().collection('notes') }
      const disconnect = async () => {
        await pause(50)
        console.log('released')
      }
      const server = new Server({ dataSources: { notes }, disconnect })
      const http = createServer(${handler})
      http.listen(${port}, '127.0.0.1', () => console.log('listening'))
      ${sample.replace('20_000', '100')}`
    const program = startProgram(process.execPath, ['--input-type=module', '-e', code], { cwd: ROOT })
    programs.push(program)
    await until(() => program.output().includes('listening'), 'it listens', 20_000)
    const client = new Client({ url: `http://127.0.0.1:${port}/particle`, onError: () => {} })
    clients.push(client)
    await client.ready()
    return { program, port }
  }

  for (const [page, count] of [
    ['deployment.md', 2],
    ['nodes.md', 1],
    ['fetch.md', 1],
  ] as const) {
    const samples = async () => {
      const text = await readFile(join(GUIDES, page), 'utf8')
      const found = [...text.matchAll(SAMPLE)].map(([, sample = '']) => sample)
      expect(found).to.have.length(count)
      for (const sample of found) expect(sample).to.include('5_000')
      return found
    }
    const ends = async ({ child, output }: Program, sample: string) => {
      await until(() => child.exitCode !== null, `it ends by ${sample}`, 10_000)
      expect([child.exitCode, output()]).to.deep.equal([0, 'listening\nreleased\n'])
    }

    it(`end the process by itself, after the application's disconnect: ${page}`, async () => {
      for (const sample of await samples()) {
        const { program } = await serve(sample.replace('5_000', '60_000'), page === 'fetch.md')
        program.child.kill('SIGTERM')
        await ends(program, sample)
      }
    })

    it(`end the process with an unused connection, and twice: ${page}`, async () => {
      for (const sample of await samples()) {
        const { program, port } = await serve(sample.replace('5_000', '300'), page === 'fetch.md')
        const socket = connect(port, '127.0.0.1')
        sockets.push(socket.on('error', () => {}))
        await until(() => socket.readyState === 'open', 'the connection is open')
        for (let signals = 0; signals < 2; signals++) program.child.kill('SIGTERM')
        await ends(program, sample)
      }
    })
  }
})
