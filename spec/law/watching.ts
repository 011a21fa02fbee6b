import fc from 'fast-check'
import { WINDOW } from './roots.ts'
import { Step } from './step.ts'

const clients = fc.nat({ max: 3 })
const kinds = fc.constantFrom('x', 'y', 'z')
const limits = fc.constantFrom(WINDOW, 3, 4)

/** Watched roots that come and go, and windows that grow. */
export const watching: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(clients, kinds, limits)
      .map(
        ([index, kind, limit]) =>
          new Step(`${index} watches the first ${limit} of ${kind}`, (world) =>
            world.one(index)?.watch(kind, limit),
          ),
      ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(clients, kinds)
      .map(
        ([index, kind]) =>
          new Step(`${index} watches ${kind} no longer`, (world) => world.one(index)?.watch(kind, undefined)),
      ),
  },
)
