import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { doublePrecision, pgTable, serial, text } from 'drizzle-orm/pg-core'
import pg from 'pg'

const url = process.env.DATABASE_URL ?? 'postgres://postgres:postgres@localhost:5432/postgres'
export const pool = new pg.Pool({ connectionString: url })
export const orm = drizzle(pool)

export const orders = pgTable('orders', {
  id: serial().primaryKey(),
  product: text().notNull(),
  status: text().notNull().default('new'), // then 'packed', then 'sent'
  total: doublePrecision().notNull(),
  cost: doublePrecision().notNull(), // not for the dashboard
})

// A real application has migrations. With REPLICA IDENTITY FULL, Particle sends only the columns that changed.
await orm.execute(sql`
  CREATE TABLE IF NOT EXISTS orders (
    id serial PRIMARY KEY, product text NOT NULL, status text NOT NULL DEFAULT 'new',
    total double precision NOT NULL, cost double precision NOT NULL)`)
await orm.execute(sql`ALTER TABLE orders REPLICA IDENTITY FULL`)
