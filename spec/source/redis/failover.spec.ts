import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { redis } from '../../../lib/source/redis/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { type RedisServer, redisOrSkip, startRedis } from '../../support/redis.ts'
import { closeAll, Recorder } from '../mongo/fold.ts'
import { type Client, connect, readAll } from './harness.ts'

/** An address that leads to one server, and after a failover to another one. */
class Address {
  to: string
  readonly #sockets = new Set<Socket>()
  readonly #server: Server

  constructor(to: string) {
    this.to = to
    this.#server = createServer((socket) => {
      const upstream = dial(Number(new URL(this.to).port), '127.0.0.1')
      for (const [one, other] of [
        [socket, upstream],
        [upstream, socket],
      ] as const) {
        this.#sockets.add(one)
        one.on('error', () => {})
        one.on('close', () => other.destroy())
        one.pipe(other)
      }
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  lead(to: string): void {
    this.to = to
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  close(): void {
    this.lead('')
    this.#server.close()
  }
}

describe('source/redis over a failover to a replica', () => {
  const open: Subscription[] = []
  const servers: RedisServer[] = []
  const clients: Client[] = []
  let address: Address | undefined

  afterEach(async () => {
    await closeAll(open)
    for (const client of clients.splice(0)) client.destroy()
    address?.close()
    for (const server of servers.splice(0)) await server.stop()
  })

  const client = async (url: string) => {
    const made = await connect(url)
    clients.push(made)
    return made
  }

  for (const lost of [false, true]) {
    it(
      lost
        ? 'says that the history is lost where the replica lacks some of it'
        : 'goes on without loss where the replica has it all',
      async function () {
        const primary = await redisOrSkip(this, () => startRedis())
        servers.push(primary)
        const { port } = new URL(primary.url)
        const replica = await startRedis(
          '--replicaof',
          `127.0.0.1 ${port}`,
          '--repl-diskless-sync-delay',
          '0',
        )
        servers.push(replica)
        const [first, second] = [await client(primary.url), await client(replica.url)]
        const until = async (done: () => Promise<boolean>) => {
          for (let tries = 0; !(await done()); tries++) {
            if (tries > 400) throw new Error('the replica does not come')
            await new Promise((resolve) => setTimeout(resolve, 25))
          }
        }
        await until(async () => (await second.info('replication')).includes('master_link_status:up'))
        address = new Address(primary.url)
        const users = redis(await client(await address.listen()), { stream: 'changes' }).collection('users')
        const recorder = new Recorder()
        open.push(await users.adapter.open(recorder))
        const told = () => recorder.changesSeen.map((change) => ('id' in change ? change.id : null))
        await users.set('1', { n: '1' })
        await recorder.until(() => told().includes('1'))
        await until(async () => (await second.exists('users:1')) === 1)
        if (lost) {
          // What the primary takes in from here on does not reach the replica.
          await second.sendCommand(['REPLICAOF', 'NO', 'ONE'])
          await users.set('2', { n: '2' })
          await recorder.until(() => told().includes('2'))
        } else await second.sendCommand(['REPLICAOF', 'NO', 'ONE'])
        expect(await first.exists('users:2')).to.equal(lost ? 1 : 0)
        address.lead(replica.url)
        await redis(second, { stream: 'changes' }).collection('users').set('3', { n: '3' })
        await recorder.until(() => (lost ? recorder.losses.length > 0 : told().includes('3')), 15_000)
        expect(recorder.losses).to.have.length(lost ? 1 : 0)
        await redis(second, { stream: 'changes' }).collection('users').set('4', { n: '4' })
        await recorder.until(() => told().includes('4'), 15_000)
        if (!lost) expect(told()).to.deep.equal(['1', '3', '4'])
        const found = await readAll(redis(second, { stream: 'changes' }), 'users')
        expect(found.map(({ _id }) => _id)).to.deep.equal(['1', '3', '4'])
      },
    ).timeout(60_000)
  }
})
