import express from 'express'
import particle from 'particle'
import { redis } from 'particle/redis'
import { createClient } from 'redis'

const client = await createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' })
  .on('error', (error) => console.error(error)) // without a listener, a lost connection ends the process
  .connect()

// BullMQ keeps each job of the queue `mail` in a hash: bull:mail:1, bull:mail:2, ...
const mail = redis(client).collection('mail', {
  prefix: 'bull:mail:',
  fields: { timestamp: 'number', processedOn: 'number', finishedOn: 'number', atm: 'number' },
})

const app = express()
app.use(express.static('public'))
app.use(
  particle.middleware({
    dataSources: {
      jobs: {
        collection: mail,
        // The fields `data` and `returnvalue` stay on the server: they may hold addresses.
        manifest: {
          name: true,
          timestamp: true,
          processedOn: true,
          finishedOn: true,
          failedReason: true,
          atm: true, // the attempts that were made
        },
        criteria: { timestamp: { $gt: 0 } }, // bull:mail:meta is a hash too, but no job
        sort: { timestamp: -1 },
        limit: 100,
      },
    },
  }),
)

const port = Number(process.env.PORT ?? 3000)
app.listen(port, () => console.log(`Open http://localhost:${port}`))
