import particle, { middleware, ParticleError } from 'particle'
import { Client } from 'particle/client'
import { memory } from 'particle/memory'
import { parsePath } from 'particle/protocol'
import live from '../live.cjs'

console.log(await live({ particle, middleware, ParticleError, Client, memory, parsePath }))
