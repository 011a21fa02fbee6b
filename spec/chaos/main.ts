// `npm run chaos`: lets chaos reign for CHAOS_MINUTES (10), by the plan of SEED (a new one).
import { newSeed } from '../hostile/support/random.ts'
import { Stores } from './stores.ts'
import { storm } from './storm.ts'

const seed = newSeed(process.env.SEED)
const minutes = Number(process.env.CHAOS_MINUTES ?? 10)
console.log(`SEED=${seed} CHAOS_MINUTES=${minutes} repeats these incidents`)
const [postgres, redis] = [await Stores.startPostgres(), await Stores.startRedis()]
const { faults, ...figures } = await storm({ seed, minutes, postgres, redis, print: console.log })
console.dir(figures, { depth: 3, maxArrayLength: 100 })
for (const fault of faults) console.log(fault)
console.log(faults.length === 0 ? 'Nobody was wronged.' : 'Somebody was wronged.')
process.exit(faults.length === 0 ? 0 : 1)
