import particle from 'particle'
import { Client } from 'particle/client'
import { close, count } from './close.cjs'

// What the one kind of module makes, the other takes.
close(new Client())
count(new particle.Server({ dataSources: {} }))
