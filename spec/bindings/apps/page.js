import { Client } from 'particle/client'

/** Opens the client of a page, and counts for the spec what the page renders. */
export const client = new Client({ identity: 'ann', onError: ({ code }) => counts.errors.push(code) })

const counts = { rows: {}, torn: 0, shown: [], errors: [] }
Object.assign(window, { client, counts })

/** Counts a rendering of a row. */
export const countRow = (id) => {
  counts.rows[id] = (counts.rows[id] ?? 0) + 1
}

/** Notes what a rendering of a room shows. All messages must be of that room. */
export const countRoom = (room, { data, status }) => {
  if (data.some((message) => message.room !== room)) counts.torn++
  counts.shown.push([room, status, data.length])
}
