const particle = require('particle')
const { Client } = require('particle/client')
const { memory } = require('particle/memory')
const { parsePath } = require('particle/protocol')
const live = require('../live.cjs')

const { middleware, ParticleError } = particle
live({ particle, middleware, ParticleError, Client, memory, parsePath }).then(console.log)
