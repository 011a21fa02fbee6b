import { readFileSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import { join } from 'node:path'
import { expect } from 'chai'
import express from 'express'
import mysql, { type Pool } from 'mysql2'
import type { Pool as PromisePool } from 'mysql2/promise'
import { Client } from '../../lib/client/client.ts'
import particle from '../../lib/index.ts'
import { mariadb } from '../../lib/source/mariadb/index.ts'
import { until } from '../support/local.ts'
import { type MariadbServer, mariadbOrSkip, startMariadb } from '../support/mariadb.ts'
import { freePort } from '../support/process.ts'

const PAGE = readFileSync(join(import.meta.dirname, '..', '..', 'docs/sources/mariadb.md'), 'utf8')
const PATIENCE = 20_000

/** Takes the only block of a language from the page on MariaDB. */
function blockOf(language: string): string {
  const [first, ...others] = [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))]
  if (first?.[1] === undefined || others.length > 0) throw new Error(`One block of ${language} was expected`)
  return first[1]
}

/** The settings of the page, in place of those of other specs. */
function pageSettings(): Record<string, string | undefined> {
  const [section, ...lines] = blockOf('ini').trim().split('\n')
  expect(section).to.equal('[mariadb]')
  const given = lines.map((line) => line.split(' = ')).map(([name = '', value = '']) => [name, value])
  const others = ['log-bin', 'server-id', 'binlog-format', 'binlog-row-metadata', 'sync-binlog']
  return { ...Object.fromEntries(others.map((name) => [name, undefined])), ...Object.fromEntries(given) }
}

interface Order {
  id: number
  customer: number
  item: string
  state: string
  note?: string
  cost: number
}

describe('A shop on MariaDB that is set up as the page says', function () {
  this.timeout(60_000)
  let server: MariadbServer
  let shop: PromisePool
  let port: number
  const nodes: Node[] = []
  const clients: Client[] = []

  before(async function () {
    server = await mariadbOrSkip(this, () => startMariadb({ settings: pageSettings() }))
    const setup = mysql.createPool({ uri: server.url }).promise()
    await setup.query('CREATE DATABASE shop')
    for (const statement of blockOf('sql').trim().split(/;\n?/).filter(Boolean)) await setup.query(statement)
    await setup.end()
    shop = mysql.createPool({ uri: server.url, database: 'shop' }).promise()
  })

  beforeEach(async () => {
    port = await freePort()
    await shop.query('CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(50) NOT NULL)')
    await shop.query(`CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL,
      item VARCHAR(50) NOT NULL, state ENUM('open', 'paid', 'sent') NOT NULL DEFAULT 'open',
      cost DECIMAL(10, 2) NOT NULL DEFAULT 0,
      FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE)`)
    await shop.query("INSERT INTO customers VALUES (1, 'Ann'), (2, 'Ben')")
    await shop.query("INSERT INTO orders (customer, item) VALUES (1, 'tea'), (2, 'coffee')")
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    for (const node of nodes.splice(0)) await node.stop()
    await shop?.query('DROP TABLE IF EXISTS orders, customers')
  })

  after(async () => {
    await shop?.end()
    await server?.stop()
  })

  /** A process of the shop: routes that write by SQL, and Particle with an account and a pool of its own. */
  class Node {
    readonly resets: string[] = []
    readonly failures: string[] = []
    readonly #http: HttpServer
    readonly #pool: Pool
    readonly #particle: InstanceType<typeof particle.Server>

    constructor() {
      const account = new URL(server.url)
      Object.assign(account, { username: 'particle', password: 'secret', pathname: '/shop' })
      this.#pool = mysql.createPool({ uri: account.href })
      const orders = mariadb(this.#pool).collection<Order>('orders')
      this.#particle = new particle.Server({
        secret: 'of all nodes of the shop',
        identityLookup: (identity: { customer: number }) => identity,
        dataSources: {
          orders: {
            collection: orders,
            manifest: { item: true, state: true, note: true },
            criteria: { customer: '@customer' },
          },
        },
        onDebug: (_sentence, event) => {
          if (event.name === 'stream.reset') this.resets.push(event.reason)
        },
        onError: (error) => this.failures.push(error.message),
      })
      const app = express()
      app.use(express.json())
      app.use(this.#particle.middleware())
      app.post('/orders', async (request, response) => {
        const { customer, item } = request.body
        await shop.query('INSERT INTO orders (customer, item) VALUES (?, ?)', [customer, item])
        response.json({ position: await this.#particle.position('orders') })
      })
      this.#http = createServer(app)
      nodes.push(this)
    }

    async start(): Promise<this> {
      await new Promise<void>((resolve) => this.#http.listen(port, '127.0.0.1', resolve))
      return this
    }

    async stop(): Promise<void> {
      const closed = new Promise((resolve) => this.#http.close(resolve))
      await this.#particle.disconnect()
      await closed
      await this.#pool.promise().end()
    }
  }

  const url = () => `http://127.0.0.1:${port}`

  async function open(customer: number): Promise<Client> {
    const client = new Client({ url: `${url()}/particle`, identity: { customer }, onError: () => {} })
    clients.push(client)
    await client.ready()
    return client
  }

  const textOf = (client: Client) => {
    const orders = (client.data.orders ?? []) as unknown as Order[]
    return orders.map(({ item, state, note }) => [item, state, note].filter(Boolean).join(' ')).sort()
  }

  async function shows(client: Client, expected: string[]): Promise<void> {
    const wanted = JSON.stringify([...expected].sort())
    await until(() => JSON.stringify(textOf(client)) === wanted, wanted, PATIENCE).catch(() => {})
    expect(textOf(client)).to.deep.equal([...expected].sort())
  }

  it('shows each customer what routes and other programs write, and no hidden column', async () => {
    const node = await new Node().start()
    const [ann, ben] = [await open(1), await open(2)]
    await shows(ann, ['tea open'])
    const answer = await fetch(`${url()}/orders`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ customer: 1, item: 'milk' }),
    })
    const { position } = (await answer.json()) as { position: string }
    await ann.reached(position)
    expect(textOf(ann)).to.deep.equal(['milk open', 'tea open'])

    await shop.query("UPDATE orders SET state = 'paid', cost = 3.5 WHERE customer = 1")
    await shows(ann, ['milk paid', 'tea paid'])
    await shop.query("UPDATE orders SET customer = 2 WHERE item = 'milk'")
    await shows(ann, ['tea paid'])
    await shows(ben, ['coffee open', 'milk paid'])
    await shop.query('DELETE FROM orders WHERE customer = 2')
    await shows(ben, [])
    expect(JSON.stringify(ann.data)).not.to.include('cost')
    expect(node.failures).to.deep.equal([])
    expect(node.resets).to.deep.equal([])
  })

  it('shows the orders that a foreign key deletes, and those after them', async () => {
    const node = await new Node().start()
    const [ann, ben] = [await open(1), await open(2)]
    await shop.query('DELETE FROM customers WHERE id = 2')
    await shows(ben, [])
    await shop.query("INSERT INTO orders (customer, item) VALUES (1, 'milk')")
    await shows(ann, ['milk open', 'tea open'])
    expect(node.failures).to.deep.equal([])
  })

  it('goes on through a migration of the table', async () => {
    const node = await new Node().start()
    const ann = await open(1)
    await shop.query("UPDATE orders SET state = 'paid'")
    await shop.query('ALTER TABLE orders ADD COLUMN note VARCHAR(50) AFTER customer')
    await shop.query("UPDATE orders SET note = 'a gift', state = 'sent' WHERE customer = 1")
    await shows(ann, ['tea sent a gift'])
    await shop.query('ALTER TABLE orders MODIFY state VARCHAR(20) NOT NULL, RENAME COLUMN item TO product')
    await shop.query("ALTER TABLE orders RENAME COLUMN product TO item, COMMENT = 'of the shop'")
    await shop.query("UPDATE orders SET state = 'returned' WHERE customer = 1")
    await shows(ann, ['tea returned a gift'])
    expect(node.failures).to.deep.equal([])
  })

  it('resumes on the node that takes over, without a reset', async () => {
    const first = await new Node().start()
    const ann = await open(1)
    await shop.query("INSERT INTO orders (customer, item) VALUES (1, 'milk')")
    await shows(ann, ['milk open', 'tea open'])
    nodes.splice(nodes.indexOf(first), 1)
    await first.stop()
    await shop.query("DELETE FROM orders WHERE item = 'tea'")
    await shop.query("UPDATE orders SET state = 'paid' WHERE customer = 1")
    const second = await new Node().start()
    await shows(ann, ['milk paid'])
    await until(() => ann.status === 'ready', 'the client is ready', PATIENCE)
    expect([...first.resets, ...second.resets]).to.deep.equal([])
    expect([...first.failures, ...second.failures]).to.deep.equal([])
  })

  it('goes on after the server was killed, and started again', async () => {
    const node = await new Node().start()
    const ann = await open(1)
    await shop.query("INSERT INTO orders (customer, item) VALUES (1, 'milk')")
    await shows(ann, ['milk open', 'tea open'])
    await server.restart?.('SIGKILL')
    await shop.query("UPDATE orders SET state = 'paid' WHERE item = 'milk'")
    await shows(ann, ['milk paid', 'tea open'])
    expect(node.resets).to.deep.equal([])
  })
})
