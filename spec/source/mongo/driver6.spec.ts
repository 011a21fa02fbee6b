import { join } from 'node:path'
import { expect } from 'chai'
import { MongoClient } from 'mongodb6'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { runProgram } from '../../support/process.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const HOOK = join(ROOT, 'spec', 'support', 'driver6.js')
const MOCHA = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js')
const SPECS = ['contract', 'watch'].map((name) => join(ROOT, 'spec', 'source', 'mongo', `${name}.spec.ts`))

// package.json promises the versions 6 and 7 of the driver; all other specs use 7.
describe('source/mongo with version 6 of the driver', function () {
  this.timeout(180_000)

  it('makes ids of that version', async () => {
    const print = "const { ObjectId } = await import('mongodb'); console.log(Reflect.get(new ObjectId(),"
    const script = `${print} Symbol.for('@@mdb.bson.version')))`
    const output = await runProgram('node', ['--import', HOOK, '--input-type=module', '-e', script], 20_000)
    expect(output.trim()).to.equal('6')
  })

  it('says what to install when the client is of that version, and Particle loads another', async function () {
    const server = await mongoOrSkip(this)
    const client = new MongoClient(server.url)
    const reading = mongo(client.db('driver6')).read('users', { owner: '5f0c3a1b2c3d4e5f60718293' }, () => {})
    const failure = await reading.catch((error: unknown) => error).finally(() => client.close())
    expect(String(failure)).to.include('another version of the package mongodb')
  })

  it('holds the contract, and watches', async function () {
    const output = await runProgram(
      'node',
      [MOCHA, '--node-option', `import=${HOOK}`, '--node-option', 'import=tsx', ...SPECS],
      170_000,
    )
    if (/^0 passed, 0 failed/m.test(output)) this.skip()
    expect(output).to.match(/^[1-9]\d+ passed, 0 failed/m)
  })
})
