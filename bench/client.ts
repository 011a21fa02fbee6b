/** A process in which a client holds many documents, and applies deltas to them. */

import { Client } from 'particle/client'
import { serve } from './child.ts'
import { noteOf, personOf } from './event.ts'

type Receiver = (name: string, data: object, id?: string) => void

interface Step {
  operation: string
  id: number
  path: string
  data?: unknown
}

/** Changes of documents all over the list; of a hundred, four are inserts and two removals from its middle. */
function stepsOf(documents: number, deltas: number): Step[] {
  const steps: Step[] = []
  let newest = documents
  let removed = 0
  for (let number = 0; steps.length < deltas; number++) {
    // A prime number as the stride leads to every document.
    const id = (number * 7919) % documents
    const kind = number % 50
    if (kind % 25 === 3) steps.push({ operation: 'set', id: newest, path: '.', data: personOf(newest++) })
    else if (kind === 4) steps.push({ operation: 'unset', id: (documents >> 1) + removed++, path: '.' })
    else if (kind % 2 === 0) steps.push({ operation: 'inc', id, path: 'visits', data: 1 })
    else steps.push({ operation: 'set', id, path: 'note', data: noteOf(number) })
  }
  return steps
}

serve({
  /** Tells how long it took to apply the deltas, in milliseconds. */
  apply: async ({ documents, deltas }: { documents: number; deltas: number }) => {
    let receive: Receiver = () => {}
    let events = 0
    const client = new Client({
      onRegister: (_identity: unknown, receiver: Receiver, done: () => void) => {
        receive = receiver
        done()
      },
      onData: () => events++,
    })
    await new Promise((resolve) => setTimeout(resolve, 10))
    const timestamp = new Date().toISOString()
    receive('manifest', { protocol: 1, timestamp, resumed: false, sources: { people: true } })
    const data = Array.from({ length: documents }, (_, id) => personOf(id))
    receive('payload', { root: 'people', timestamp, data, part: 0, last: true })
    receive('ready', { timestamp })
    await client.ready()
    const steps = stepsOf(documents, deltas)
    const expected =
      documents + steps.filter(({ path, operation }) => path === '.' && operation === 'set').length
    const removals = steps.filter(({ operation }) => operation === 'unset').length
    globalThis.gc?.()
    events = 0
    const began = performance.now()
    for (const step of steps) receive('delta', { root: 'people', timestamp, oplist: [step] })
    const ms = performance.now() - began
    const held = client.data.people?.length
    if (events !== deltas || held !== expected - removals)
      throw new Error(`${events} events, ${held} documents where there should be ${expected - removals}`)
    client.close()
    return ms
  },
})
