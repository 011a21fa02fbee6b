/** Ten thousand rows that change as fast as the page's slider says, to show that the page stays smooth. */

import particle, { type Handler } from 'particle'
import { memory } from 'particle/memory'

const COUNT = 10_000
const TICK_MS = 50
/** Limits the writes that a late tick makes up for. */
const MAX_CATCH_UP_MS = 200

interface Rows {
  middleware: Handler
  /** Sets the changes a second, of which each is a write of one row. */
  setRate(rate: number): void
  stop(): void
}

/**
 * Changes random rows of a collection in memory while a page watches. Fills it at the first rate, so that the demo
 * starts at once.
 */
export function openRows(): Rows {
  const rows = memory().collection<{ _id: number; value: number }>('rows')
  let filling: Promise<unknown> | undefined
  const dataSources = { rows: { collection: rows, manifest: { value: true } } }
  const middleware = particle.middleware({ path: '/rows', dataSources })
  let rate = 0
  let last = Date.now()
  let isWriting = false

  const write = async () => {
    if (isWriting) return
    const elapsed = Math.min(Date.now() - last, MAX_CATCH_UP_MS)
    last = Date.now()
    if (middleware.server.stats().connections === 0) return
    isWriting = true
    await filling
    for (let left = (rate * elapsed) / 1000; left > 0; left--) {
      const value = Math.floor(Math.random() * 256)
      await rows.updateOne({ _id: Math.floor(Math.random() * COUNT) }, { $set: { value } })
    }
    isWriting = false
  }
  const timer = setInterval(write, TICK_MS)
  return {
    middleware,
    setRate: (value) => {
      filling ??= rows.insertMany(Array.from({ length: COUNT }, (_, _id) => ({ _id, value: _id % 256 })))
      rate = value
    },
    stop: () => clearInterval(timer),
  }
}
