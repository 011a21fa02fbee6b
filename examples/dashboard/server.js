import { eq } from 'drizzle-orm'
import express from 'express'
import particle from 'particle'
import { postgres } from 'particle/postgres'
import { orders, orm, pool } from './orders.js'

const collection = postgres(pool).collection('orders')
const app = express()
app.use(express.static('public'))
app.use(
  particle.middleware({
    dataSources: {
      latest: {
        collection,
        manifest: { product: true, status: true, total: true },
        sort: { id: -1 },
        limit: 10,
      },
      open: {
        collection,
        manifest: { status: true, total: true },
        criteria: { status: { $in: ['new', 'packed'] } },
      },
    },
  }),
)

app.post('/orders/:id/send', async (request, response) => {
  await orm
    .update(orders)
    .set({ status: 'sent' })
    .where(eq(orders.id, Number(request.params.id)))
  response.sendStatus(204)
})

const port = Number(process.env.PORT ?? 3000)
app.listen(port, () => console.log(`Open http://localhost:${port}`))
