// The server that is soaked: forked by load.ts, which tells it what to do. It runs with --expose-gc.
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { MongoClient } from 'mongodb'
import { Server } from '../../../lib/server/index.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { teamSources } from '../cluster/team.ts'
import { CursorCount } from './cursors.ts'
import { measure } from './measure.ts'

/** What the load asks for. */
export type Order =
  | { order: 'write' | 'rest' | 'measure' | 'refresh' | 'stop' }
  | { order: 'revoke'; team: string }

const [url = '', database = ''] = process.argv.slice(2)
const LINES = 50

// Connections that nobody uses go at once, so that what is left is what is needed.
const client = new MongoClient(url, { monitorCommands: true, maxIdleTimeMS: 500 })
const cursors = new CursorCount(client)
const lines = memory().collection('lines')
await lines.insertMany(Array.from({ length: LINES }, (_, _id) => ({ _id, n: 0, text: '' })))
let tickers = 0

const errors: string[] = []
const server = new Server({
  identityLookup: (identity) => identity,
  dataSources: {
    ...teamSources(mongo(client.db(database))),
    lines: { manifest: { n: true, text: true }, collection: lines },
    ticks: {
      manifest: true,
      payload: () => ({ data: [{ _id: 1, at: 0 }], timestamp: new Date() }),
      delta: (_identity, listener) => {
        tickers++
        const ticker = setInterval(() => {
          const oplist = [{ operation: 'set' as const, id: 1, path: 'at', data: Date.now() }]
          listener({ timestamp: new Date(), oplist })
        }, 100)
        return () => {
          tickers--
          clearInterval(ticker)
        }
      },
    },
  },
  onError: (error) => errors.push(error.message),
  heartbeat: 500,
  sessionTtl: 3000,
  maxBufferedBytes: 65_536,
  replay: { ms: 2000, bytes: 4_194_304 },
})
const listening = http.createServer(server.middleware()).listen(0, '127.0.0.1')
await once(listening, 'listening')

let writing: NodeJS.Timeout | undefined
let written = 0
const write = () => {
  for (let i = 0; i < 4; i++) {
    const _id = written++ % LINES
    void lines.updateOne({ _id }, { $inc: { n: 1 }, $set: { text: 'x'.repeat(written % 500) } })
  }
}

process.on('message', async (message: Order) => {
  switch (message.order) {
    case 'write':
      writing ??= setInterval(write, 10)
      break
    case 'rest':
      clearInterval(writing)
      writing = undefined
      break
    case 'refresh':
      void server.refresh()
      break
    case 'revoke':
      server.revoke(({ team }: { team: string }) => team === message.team)
      break
    case 'measure':
      process.send?.({
        ...(await measure({ client, listening })),
        cursors: cursors.open,
        tickers,
        stats: server.stats(),
        errors: errors.splice(0),
      })
      break
    case 'stop':
      await server.disconnect()
      listening.close()
      await client.close()
      process.disconnect()
  }
})
process.send?.({ port: (listening.address() as AddressInfo).port })
