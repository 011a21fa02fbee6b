import { eq, sql } from 'drizzle-orm'
import { orders, orm } from './orders.js'

// Writes as another program would: a new order, and one that is packed, every second.
const products = ['Apples', 'Bread', 'Cheese', 'Dates']
setInterval(async () => {
  const total = Math.round(Math.random() * 10_000) / 100
  const product = products[Math.floor(Math.random() * products.length)]
  await orm.insert(orders).values({ product, total, cost: total / 2 })
  const oldest = sql`(SELECT min(id) FROM orders WHERE status = 'new')`
  await orm.update(orders).set({ status: 'packed' }).where(eq(orders.id, oldest))
}, 1000)
