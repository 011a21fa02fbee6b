/**
 * Declares the names that blocks of the pages use without saying where they come from, as a reader knows them
 * from the lines around. A block that declares a name itself gets none.
 */
const NAMES: Record<string, string | ((text: string) => string)> = {
  app: "declare const app: import('express').Express",
  members: "declare const members: import('express').Express",
  staff: "declare const staff: import('express').Express",
  particle: "import particle from 'particle'",
  Server: "import { Server } from 'particle'",
  Client: "import { Client } from 'particle/client'",
  memory: "import { memory } from 'particle/memory'",
  mongo: "import { mongo } from 'particle/mongo'",
  MongoClient: "import { MongoClient } from 'mongodb'",
  client: (text) =>
    /client(?:\.db\(|\s*}\))/.test(text)
      ? "declare const client: import('mongodb').MongoClient"
      : "declare let client: import('particle/client').Client",
  database: "declare const database: import('mongodb').Db",
  db: "declare const db: import('particle/mongo').MongoAdapter",
  express: "import type express from 'express'",
  server: "declare const server: import('particle').Server",
  Bun: 'declare const Bun: { serve(options: { idleTimeout: number; fetch(request: Request, server: { requestIP(request: Request): { address: string } | null }): Promise<Response> }): void }',
  Deno: 'declare const Deno: { serve(handler: (request: Request, info: { remoteAddr: { hostname: string } }) => Promise<Response>): void }',
  http: "declare const http: import('node:http').Server",
  pool: "declare const pool: import('pg').Pool",
  knex: 'declare const knex: { client: { config: { connection: { host: string } } } }',
  logger: 'declare const logger: Record<"warn" | "error", (...parts: unknown[]) => void>',
  session: "import session from 'express-session'",
  passport: "import passport from 'passport'",
  tasks: "declare const tasks: import('particle/memory').MemoryCollection",
  users: "declare const users: import('particle/memory').MemoryCollection",
  maps: "declare const maps: import('particle/memory').MemoryAdapter",
  manifest: 'declare const manifest: { title: true; done: true }',
  criteria: "declare const criteria: { owner: '@userId' }",
  identity: 'declare const identity: unknown',
  identityLookup:
    'declare const identityLookup: (claim: unknown) => { userId: number; teams: string[] } | null',
  dataSources: "declare const dataSources: import('particle').DataSources",
  lookUp: 'declare function lookUp(...parts: unknown[]): Promise<{ userId: number } | null>',
  secret: 'declare const secret: string',
  userId: 'declare const userId: number',
  render: 'declare function render(...parts: unknown[]): void',
  readAll: 'declare function readAll(identity: unknown): Promise<{ _id: number; email: string }[]>',
  follow: 'declare function follow(listener: (id: number, email: string) => void): () => void',
  related: "import { related } from 'particle'",
  useEffect: "import { useEffect } from 'react'",
  useState: "import { useState } from 'react'",
  useSyncExternalStore: "import { useSyncExternalStore } from 'react'",
}

/** Gives the declarations of the names that a block uses and does not declare. */
export function declarationsFor(text: string): string {
  const used = Object.entries(NAMES).filter(([name]) => {
    const declared = new RegExp(`(?:const|let|function|import|class) (?:\\{[^}]*|\\[[^\\]]*)?\\b${name}\\b`)
    return new RegExp(`(?<![.\\w'"/@-])${name}\\b(?!['":\\w])`).test(text) && !declared.test(text)
  })
  return used.map(([, value]) => (typeof value === 'string' ? value : value(text))).join('\n')
}

/** Stands in for the files beside a block, from which the block imports. */
export const NEIGHBOUR = `import particle from 'particle'
import { memory } from 'particle/memory'
interface User { _id: number; email: string; born: Date; password: string }
const users = memory().collection<User>('users')
export const options = { dataSources: { users: { collection: users, manifest: { email: true, born: true } } } } as const
export const server = new particle.Server(options)
export declare function App(props: { client: unknown }): import('react').ReactNode
`

/** Errors of types that say nothing about JavaScript, where values are narrowed by nothing but their use. */
export const TYPES_ALONE = [
  /TS2339: Property 'port' does not exist on type 'string \| AddressInfo'/,
  /TS2339: .* on type 'Json'/,
  /TS2794: Expected 1 arguments, but got 0/,
]
