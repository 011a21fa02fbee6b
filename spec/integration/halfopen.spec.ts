import { execFileSync } from 'node:child_process'
import { expect } from 'chai'
import { bundled } from '../support/bundled.ts'
import { until } from '../support/local.ts'
import { Namespaces } from '../support/namespaces.ts'
import { type Program, startProgram } from '../support/process.ts'

/** Opens a stream and reads it until it is ended. */
const CLIENT = `
  const [host, port] = process.argv.slice(1)
  require('node:net').connect(port, host, function () {
    this.write('GET /particle/stream HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    this.resume()
  })
`

describe('A client that is gone without a word', function () {
  this.timeout(60_000)
  const unavailable = Namespaces.unavailable()
  let namespaces: Namespaces
  const programs: Program[] = []

  before(function () {
    if (unavailable === undefined) {
      namespaces = new Namespaces()
      return
    }
    console.log(`skipped: ${unavailable}`)
    this.skip()
  })
  after(async () => {
    await Promise.all(programs.map((program) => program.stop('SIGKILL')))
    namespaces?.remove()
  })

  /** A server with one client. */
  async function connect(heartbeat: number): Promise<Program> {
    const { server: host } = namespaces.hosts
    const node = [process.execPath, await bundled('spec/support/streaming.ts'), host, String(heartbeat)]
    const server = startProgram(...namespaces.within('server', ...node))
    programs.push(server)
    await until(() => /^port \d+$/m.test(server.output()), `a port in ${server.output()}`, 20_000)
    const [, port = ''] = /^port (\d+)$/m.exec(server.output()) ?? []
    programs.push(startProgram(...namespaces.within('client', process.execPath, '-e', CLIENT, host, port)))
    await until(() => server.output().includes('open 1'), 'a stream', 10_000)
    return server
  }

  it('is found within a heartbeat with nothing under way, else as soon as the system gives up to send it anything', async () => {
    // Linux repeats what is not acknowledged so many times, after 0.2, 0.4, 0.8 s and so on; 15 times, about 15 minutes, by default.
    execFileSync(...namespaces.within('server', 'sysctl', '-qw', 'net.ipv4.tcp_retries2=4'))
    const [quiet, pinged] = await Promise.all([connect(15_000), connect(2_000)])
    await new Promise((resolve) => setTimeout(resolve, 500))
    const began = performance.now()
    namespaces.cut()
    const closing = (server: Program) =>
      until(() => server.output().includes('open 0'), 'the end of the stream', 40_000).then(
        () => performance.now() - began,
      )
    const [idle, busy] = await Promise.all([closing(quiet), closing(pinged)])
    // Four seconds without a word, then ten probes; the next ping would be due a second later.
    expect(idle).to.be.within(9_000, 15_500)
    // The next ping, and 6.2 s of repeating it.
    expect(busy).to.be.within(4_000, 15_000)
  })
})
