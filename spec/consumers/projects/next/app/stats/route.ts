import { ParticleError } from 'particle'
import { people, server } from '../../particle'

export const dynamic = 'force-dynamic'

export async function GET() {
  await people.updateOne({ _id: 1 }, { $set: { name: 'Eva' } })
  return Response.json({
    connections: server.stats().connections,
    error: new ParticleError('CLOSED', '').code,
  })
}
