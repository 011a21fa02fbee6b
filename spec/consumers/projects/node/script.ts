import particle, { middleware, ParticleError } from 'particle'
import { Client } from 'particle/client'
import { memory } from 'particle/memory'
import { parsePath } from 'particle/protocol'

const live: (parts: object) => Promise<string> = require('../live.cjs')
live({ particle, middleware, ParticleError, Client, memory, parsePath }).then(console.log)
