/** A process in which a client holds many documents, and applies deltas to them. */

import { serve } from './child.ts'
import { noteOf, personOf } from './event.ts'
import { fedClient } from './fed-client.ts'

type Step = [operation: string, id: number, path: string, data?: unknown]

/** Changes of documents all over the list; of a hundred, four are inserts and two removals from its middle. */
function stepsOf(documents: number, deltas: number): Step[] {
  const steps: Step[] = []
  let newest = documents
  let removed = 0
  for (let number = 0; steps.length < deltas; number++) {
    // A prime number as the stride leads to every document.
    const id = (number * 7919) % documents
    const kind = number % 50
    if (kind % 25 === 3) steps.push(['set', newest, '.', personOf(newest++)])
    else if (kind === 4) steps.push(['unset', (documents >> 1) + removed++, '.'])
    else if (kind % 2 === 0) steps.push(['inc', id, 'visits', 1])
    else steps.push(['set', id, 'note', noteOf(number)])
  }
  return steps
}

serve({
  /** Tells the CPU time of one delta that sets so many fields of one object, in milliseconds. */
  sets: async ({ sets }: { sets: number }) => {
    const fields = Object.fromEntries(Array.from({ length: sets }, (_, field) => [`f${field}`, 0]))
    const { client, send } = await fedClient([{ _id: 1, fields }])
    const textOf = (data: number) => {
      const operations = Object.keys(fields).map((name) => ['set', 1, `fields.${name}`, data])
      return JSON.stringify(['people', ...operations])
    }
    for (let round = 0; round < 20; round++) send('delta', textOf(round))
    const text = textOf(-1)
    globalThis.gc?.()
    const before = process.cpuUsage()
    send('delta', text)
    const { user, system } = process.cpuUsage(before)
    client.close()
    return (user + system) / 1000
  },

  /** Tells the CPU time that it took to apply the deltas, in milliseconds: what else runs on the machine doesn't count. */
  apply: async ({ documents, deltas }: { documents: number; deltas: number }) => {
    let events = 0
    const people = Array.from({ length: documents }, (_, id) => personOf(id))
    const { client, send } = await fedClient(people, () => events++)
    const steps = stepsOf(documents, deltas)
    const expected =
      documents + steps.filter(([operation, , path]) => path === '.' && operation === 'set').length
    const removals = steps.filter(([operation]) => operation === 'unset').length
    const texts = steps.map((step) => JSON.stringify(['people', step]))
    globalThis.gc?.()
    events = 0
    const before = process.cpuUsage()
    for (const [number, text] of texts.entries()) send('delta', text, `position ${number}`)
    const { user, system } = process.cpuUsage(before)
    const held = client.data.people?.length
    if (events !== deltas || held !== expected - removals)
      throw new Error(`${events} events, ${held} documents where there should be ${expected - removals}`)
    client.close()
    return (user + system) / 1000
  },
})
