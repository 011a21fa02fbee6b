import { server } from '../../../particle'

// Particle reads the body itself, and answers when it has something to say.
export const config = { api: { bodyParser: false, externalResolver: true } }
export default server.middleware()
