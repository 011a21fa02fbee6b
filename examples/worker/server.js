import { createHash, timingSafeEqual } from 'node:crypto'
import express from 'express'
import particle from 'particle'
import { memory } from 'particle/memory'

const products = memory().collection('products')
await products.insertMany([
  { _id: 'apples', stock: 8, minimum: 5, price: 2 },
  { _id: 'bread', stock: 6, minimum: 5, price: 3 },
])

const WORKER_KEY = process.env.WORKER_KEY ?? 'only for this example'
const digest = (text) => createHash('sha256').update(String(text)).digest()
const isWorker = (key) => timingSafeEqual(digest(key), digest(WORKER_KEY))

const app = express()
const server = new particle.Server({
  identityLookup: (identity) => (isWorker(identity?.key) ? { name: 'reorder' } : null),
  dataSources: { products: { collection: products, manifest: { stock: true, minimum: true } } },
})
app.use(server.middleware())

app.get('/', async (_request, response) => response.json(await products.find().toArray()))

app.post('/products/:id/sell', async (request, response) => {
  await products.updateOne({ _id: request.params.id, stock: { $gt: 0 } }, { $inc: { stock: -1 } })
  response.sendStatus(204)
})

app.post('/products/:id/order', async (request, response) => {
  if (!isWorker(request.get('Authorization'))) return response.sendStatus(401)
  await products.updateOne({ _id: request.params.id }, { $inc: { stock: 10 } })
  response.json({ position: await server.position('products') })
})

const port = Number(process.env.PORT ?? 3000)
app.listen(port, () => console.log(`Open http://localhost:${port}`))
