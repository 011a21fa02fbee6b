import { pages } from '../../../particle'

// Particle reads the body itself, and answers when it has something to say.
export const config = { api: { bodyParser: false, externalResolver: true } }
export default pages.middleware()
