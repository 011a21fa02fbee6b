// `npm run soak`: soaks a server for `--seconds` and tells what it held on to before and after.
import { parseArgs } from 'node:util'
import { startMongo } from '../mongod.ts'
import { Load } from './load.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' } } })
const mongo = await startMongo({ history: 6000 })
try {
  console.dir(await Load.soak(mongo.url, Number(values.seconds)), { depth: 4 })
} finally {
  await mongo.stop()
}
