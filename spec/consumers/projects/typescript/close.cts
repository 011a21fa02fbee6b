import type { Client } from 'particle/client'

import particle = require('particle')

export const close = (client: Client) => client.close()
export const count = (server: particle.Server): number => server.stats().connections
