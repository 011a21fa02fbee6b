import { expect } from 'chai'
import type { Manifest } from '../../../lib/policy/manifest.ts'
import { fieldHint, listedBy } from '../../../lib/server/hints/field-hint.ts'
import { Warnings } from '../../../lib/server/hints/warnings.ts'
import { Server } from '../../../lib/server/server.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { LocalClient, until } from '../../support/local.ts'

const told = (manifest: Manifest, ...snapshots: object[][]) => {
  const debug: string[] = []
  const warnings = new Warnings({
    onError: () => {},
    diagnostics: new Diagnostics((message) => debug.push(message)),
  })
  const hint = fieldHint([{ where: 'dataSources.users.manifest', names: listedBy(manifest) }], warnings)
  for (const documents of snapshots) hint?.(documents as never)
  return debug
}

describe('server/field-hint', () => {
  it('tells once of a field that no document has where they have one of nearly that name', () => {
    const documents = [{ _id: 1, createdAt: 5, name: 'Ann' }]
    expect(told({ created_at: true, name: true }, documents, documents)).to.deep.equal([
      'dataSources.users.manifest names "created_at", which none of the first documents has; "createdAt" was perhaps meant',
    ])
  })

  it('says nothing of a field that some document has had, or that is like no other', () => {
    expect(told({ name: true }, [{ name: 'Ann' }], [{ nama: 'Ben' }])).to.deep.equal([])
    expect(told({ phone: true, name: true }, [{ name: 'Ann' }])).to.deep.equal([])
    expect(told({ email: true, emails: true }, [{ emails: [] }])).to.deep.equal([])
    expect(told(true, [{ nama: 1 }])).to.deep.equal([])
    expect(told({}, [{ nama: 1 }])).to.deep.equal([])
    expect(told({ name: true }, [])).to.deep.equal([])
  })

  it('is told by a server as it reads its first snapshot', async () => {
    const users = memory().collection('users')
    await users.insertOne({ nmae: 'Ann', createdAt: 5 })
    const debug: string[] = []
    const server = new Server({
      dataSources: { users: { collection: users, manifest: { name: true }, sort: { creatdAt: 1 } } },
      onDebug: (message) => debug.push(message),
    })
    const client = await LocalClient.connect(server)
    await until(() => client.ready)
    expect(debug.join()).to.include('users.manifest names "name"').and.include('users.sort names "creatdAt"')
    await server.disconnect()
  })
})
