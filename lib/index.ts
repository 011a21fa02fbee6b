import { Client } from './client/node.ts'
import { type Handler, Server, type ServerOptions } from './server/index.ts'

/** The handler of a new server: `app.use(particle.middleware(options))`. */
const middleware = (options: ServerOptions): Handler => new Server(options).middleware()

const particle = { middleware, Server, Client }

export default particle
export { particle as 'module.exports' }
