/** A process in which a client and a plain Map apply the same deltas to the same documents. */

import { serve } from '../child.ts'
import { deltaOf, type Person, personOf } from '../event.ts'
import { fedClient } from '../fed-client.ts'
import { startMeter } from './meter.ts'

const DOCUMENTS = 10_000

let events = 0
let number = 0

const people = () => Array.from({ length: DOCUMENTS }, (_, id) => personOf(id))
const { send } = await fedClient(people(), () => events++)
const documents = new Map(people().map((person) => [person._id, person]))

/** Applies deltas as the client does: parses each, replaces its document, and calls a listener. */
function applyPlainly(text: string): void {
  const [, [, id, path, data]] = JSON.parse(text) as ReturnType<typeof deltaOf>
  const document = documents.get(id)
  if (document) documents.set(id, { ...document, [path]: data } as Person)
  events++
}

serve({
  /** Tells the CPU time of so many deltas, for both. */
  round: ({ deltas, turned }: { deltas: number; turned: boolean }) => {
    const texts: string[] = []
    // A prime number as the stride leads to every document.
    for (let count = 0; count < deltas; count++)
      texts.push(JSON.stringify(deltaOf(number++ * 7919, DOCUMENTS)))
    const sides = {
      particle: () => {
        for (const text of texts) send('delta', text, 'position')
      },
      floor: () => {
        for (const text of texts) applyPlainly(text)
      },
    }
    events = 0
    const costs = { particle: 0, floor: 0 }
    for (const side of turned ? (['floor', 'particle'] as const) : (['particle', 'floor'] as const)) {
      const stop = startMeter()
      sides[side]()
      costs[side] = stop()
    }
    if (events !== 2 * deltas) throw new Error(`${events} events came where ${2 * deltas} should`)
    return costs
  },
})
