import { fetchHandler } from 'particle/fetch'
import { server } from '../../../../particle'

export const dynamic = 'force-dynamic'
const handler = fetchHandler(server.middleware())

export { handler as GET, handler as POST }
