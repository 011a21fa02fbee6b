// `npm run fuzz -- --seconds 120 --seed 1`: tries for longer what the specs of this folder try for seconds.
import { parseArgs } from 'node:util'
import { PROPERTIES, tryProperty } from './properties.ts'
import { newSeed } from './random.ts'
import { Siege } from './siege.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '120' }, seed: { type: 'string' } },
})
const seed = newSeed(values.seed)
const titles = Object.keys(PROPERTIES)
// Half of the time is for requests.
const seconds = Number(values.seconds) / 2
console.log(`seed ${seed}`)
for (const title of titles) {
  console.log(title)
  await tryProperty(title, seed, { runs: Number.MAX_SAFE_INTEGER, seconds: seconds / titles.length })
}
const { requests, streams, statuses, faults } = await Siege.run(seed, {
  requests: Number.POSITIVE_INFINITY,
  seconds,
})
console.log(`${requests} requests, ${streams} streams, ${JSON.stringify(statuses)}`)
for (const fault of faults) console.log(fault)
console.log(faults.length === 0 ? 'Nothing gave way.' : 'Something gave way.')
process.exit(faults.length === 0 ? 0 : 1)
