import express from 'express'
import type { ErrorCode, ServerOptions } from 'particle'
import particle from 'particle'
import { Client, type ParticleError } from 'particle/client'
import { type FetchRequest, fetchHandler } from 'particle/fetch'
import { mariadb } from 'particle/mariadb'
import { memory } from 'particle/memory'
import { MongoWatch, mongo } from 'particle/mongo'
import { postgres } from 'particle/postgres'
import { parsePath } from 'particle/protocol'
import { redis } from 'particle/redis'
import { createClient } from 'redis'

const options: ServerOptions = {
  identityLookup: (identity) => ({ userId: identity.name }),
  dataSources: {
    users: {
      collection: memory().collection('users'),
      manifest: { name: true },
      criteria: { _id: '@userId' },
    },
  },
}
express().use(particle.middleware(options))
const server = new particle.Server(options)
const web: (request: Request) => Promise<Response> = fetchHandler(server.middleware())
const address = (_request: Request, info: { hostname: string }) => info.hostname
const counted = fetchHandler(
  particle.middleware({
    ...options,
    identityLookup: (_identity, _done, request?: FetchRequest<{ hostname: string }>) => ({
      userId: request?.context.hostname,
    }),
  }),
  { address },
)
counted(new Request('http://localhost'), { hostname: '::1' })
// @ts-expect-error: the function for the address needs the second argument
counted(new Request('http://localhost'))
const connections: number = server.stats().connections
const client: Client = new Client({ url: '/particle', onStatus: (status) => status === 'ready' })
const failure: ParticleError = new particle.ParticleError('CLOSED', 'It is closed.')
const code: ErrorCode = failure.code
const path: (string | { id: string })[] = parsePath('todos[5].done')
const users = memory().collection<{ _id: number; born: Date; password: string }>('users')
const typed = { dataSources: { users: { collection: users, manifest: { born: true } } } }
const born: string | undefined = new Client<typeof typed>().data.users?.[0]?.born
// @ts-expect-error: the manifest doesn't list it
new Client<typeof typed>().data.users?.[0]?.password
// @ts-expect-error: no sources
new particle.Server({})
// @ts-expect-error: no such name
particle.nothing
// @ts-expect-error: no such code
const wrong: ErrorCode = 'NONE'
export const all = { born, client, code, connections, path, web, wrong }
export const sources = [
  mariadb,
  mongo,
  MongoWatch,
  postgres,
  redis(createClient()).collection('users').update,
]
