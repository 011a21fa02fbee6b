import { createServer } from 'node:net'
import { expect } from 'chai'
import { exampleOrSkip, type RunningExample, runScript, startExample } from '../support/examples.ts'
import { eventually } from '../support/http.ts'
import { freePort, type Program } from '../support/process.ts'
import type { Project } from '../support/projects.ts'

describe('examples/worker', function () {
  this.timeout(40_000)
  let project: Project
  let example: RunningExample
  let worker: Program

  before(async function () {
    project = await exampleOrSkip(this, 'worker')
    example = await startExample(project, 'worker')
    worker = runScript(project, 'node worker.js', { SERVER: example.origin })
  })

  after(async () => {
    await worker?.stop()
    await example?.program.stop()
  })

  const stock = async (): Promise<number> => {
    const products: { stock: number }[] = await (await fetch(example.origin)).json()
    return products[0]?.stock ?? Number.NaN
  }

  it('orders a product once when it runs short', async () => {
    await eventually(() => worker.output().includes('ready'), 'the worker is ready', 10_000)
    for (let sold = 0; sold < 4; sold += 1)
      await fetch(`${example.origin}/products/apples/sell`, { method: 'POST' })
    await eventually(() => worker.output().includes('Ordered apples'), 'the worker orders', 10_000)
    expect(await stock()).to.equal(14)
    expect(worker.output().match(/Ordered/g)).to.have.lengthOf(1)
  })

  it('ends when it is told to', async () => {
    const second = runScript(project, 'node worker.js', { SERVER: example.origin })
    await eventually(() => second.output().includes('ready'), 'the second worker is ready', 10_000)
    second.child.kill('SIGTERM')
    await eventually(() => second.child.exitCode === 0, 'the second worker ends', 5000)
  })

  it('waits for a server that is not there yet', async () => {
    const port = await freePort()
    let tries = 0
    const deaf = createServer((socket) => {
      tries += 1
      socket.destroy()
    }).listen(port)
    const early = runScript(project, 'node worker.js', { SERVER: `http://localhost:${port}` })
    let late: Program | undefined
    try {
      await eventually(() => tries > 0, 'the worker tries', 10_000)
      await new Promise((resolve) => deaf.close(resolve))
      late = runScript(project, 'node server.js', { PORT: String(port) })
      await eventually(() => early.output().includes('ready'), 'the worker is ready', 20_000)
    } finally {
      await early.stop()
      await late?.stop()
    }
  })
})
