import { PROPERTIES, tryProperty } from './support/properties.ts'
import { usualSeed } from './support/random.ts'

const SECONDS = 3

describe('Whatever comes', function () {
  this.timeout((SECONDS + 20) * 1000)
  const seed = usualSeed()

  before(() => console.log(`      seed ${seed}`))

  for (const title of Object.keys(PROPERTIES)) {
    it(title, async () => {
      await tryProperty(title, seed, { runs: 3_000, seconds: SECONDS })
    })
  }
})
