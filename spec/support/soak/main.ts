// `npm run soak`: soaks a server for `--seconds` and tells what it held on to before and after.
import { parseArgs } from 'node:util'
import { startMongo } from '../mongod.ts'
import { Load } from './load.ts'
import { leaks } from './verdict.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' } } })
const mongo = await startMongo({ history: 6000 })
try {
  const soaked = await Load.soak(mongo.url, Number(values.seconds))
  console.dir(soaked, { depth: 4 })
  const found = leaks(soaked)
  for (const sentence of found) console.log(sentence)
  console.log(found.length === 0 ? 'Nothing was held on to.' : 'It leaks.')
  process.exitCode = found.length === 0 ? 0 : 1
} finally {
  await mongo.stop()
}
