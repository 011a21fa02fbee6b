import { createServer } from 'node:http'
import express from 'express'
import particle, { type Handler } from 'particle'
import { memory } from 'particle/memory'
import type { Candidate, Setting, Start } from '../candidate.ts'
import { noteOf, personOf } from '../event.ts'

/**
 * Particle in Express: fields filtered by the manifest, a position on every delta, and its defaults but for one limit and the options that `BENCH_PARTICLE`
 * holds as JSON.
 */
export const start: Start = async (setting) => {
  const { handler, ...rest } = await startHandler(setting)
  const app = express()
  app.use(handler)
  return { ...rest, server: createServer(app), wire: 'sse' }
}

/** Fills a collection, and makes a handler that shows it. */
export async function startHandler({
  people,
}: Setting): Promise<Omit<Candidate, 'server' | 'wire'> & { handler: Handler }> {
  const collection = memory().collection('people')
  await collection.insertMany(Array.from({ length: people }, (_, id) => personOf(id)))
  const handler = particle.middleware({
    // One scenario opens 20 clients above the default.
    limits: { streamsPerAddress: 20_000 },
    dataSources: {
      people: {
        collection,
        manifest: { name: true, email: true, address: { city: true, street: true }, tags: true, note: true },
      },
    },
    ...(process.env.BENCH_PARTICLE ? JSON.parse(process.env.BENCH_PARTICLE) : {}),
  })
  let number = 0
  return {
    handler,
    path: '/particle/stream',
    connections: () => handler.server.stats().connections,
    change: async (count) => {
      for (let index = 0; index < count; index++, number++) {
        await collection.updateOne({ _id: number % people }, { $set: { note: noteOf(number) } })
      }
    },
  }
}
