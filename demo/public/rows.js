// Ten thousand live rows, drawn as one picture of a pixel each: a row that has just changed is bright, and fades.
import { Client } from '/particle/client.js'
import { Wire } from './wire.js'

const COUNT = 10_000
const WIDTH = 200
const FADE_MS = 800

export class Rows {
  #section
  #wire = new Wire(
    () => {},
    () => {},
  )
  #values = new Float64Array(COUNT)
  #changed = new Float64Array(COUNT)
  #changes = 0
  #client

  constructor(section) {
    this.#section = section
    const slider = section.querySelector('input')
    slider.addEventListener('input', () => {
      section.querySelector('output').textContent = Number(slider.value).toLocaleString('en')
    })
    slider.addEventListener('change', () => {
      this.#start()
      fetch('/api/rate', {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json', 'X-User': 'ada' },
        body: JSON.stringify({ rate: Number(slider.value) }),
      })
    })
  }

  /** Opens the stream when the slider is first moved, so that a page that shows only the board does not load the rows. */
  #start() {
    if (this.#client) return
    this.#client = new Client({
      url: '/rows',
      onData: ({ rows = [] }) => {
        const now = performance.now()
        for (const { _id, value } of rows) {
          if (this.#values[_id] === value) continue
          this.#values[_id] = value
          this.#changed[_id] = now
          this.#changes++
        }
      },
      fetch: this.#wire.fetch,
    })
    this.#draw()
  }

  #draw() {
    const canvas = this.#section.querySelector('canvas')
    canvas.hidden = false
    const context = canvas.getContext('2d')
    const picture = context.createImageData(WIDTH, COUNT / WIDTH)
    const meter = new Meter(this.#section.querySelector('.rates'))
    const frame = (now) => {
      for (let index = 0; index < COUNT; index++) {
        const fresh = Math.max(0, 1 - (now - this.#changed[index]) / FADE_MS)
        const tone = this.#values[index] / 255
        picture.data[index * 4] = 45 + 60 * tone + 150 * fresh
        picture.data[index * 4 + 1] = 55 + 50 * tone + 120 * fresh
        picture.data[index * 4 + 2] = 110 + 120 * tone
        picture.data[index * 4 + 3] = 255
      }
      context.putImageData(picture, 0, 0)
      meter.count(now, this.#changes, this.#wire.bytes)
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  }
}

/** Shows once a second the frames, the changes and the bytes of that second. */
class Meter {
  #line
  #frames = 0
  #longest = 0
  #last = performance.now()
  #second = { at: this.#last, changes: 0, bytes: 0 }

  constructor(line) {
    this.#line = line
  }

  count(now, changes, bytes) {
    this.#frames++
    this.#longest = Math.max(this.#longest, now - this.#last)
    this.#last = now
    const seconds = (now - this.#second.at) / 1000
    if (seconds < 1) return
    const perSecond = (count) => Math.round(count / seconds).toLocaleString('en')
    this.#line.textContent =
      `${perSecond(this.#frames)} frames a second, the longest ${Math.round(this.#longest)} ms. ` +
      `${perSecond(changes - this.#second.changes)} rows changed, ${perSecond((bytes - this.#second.bytes) / 1000)} kB a second.`
    this.#frames = 0
    this.#longest = 0
    this.#second = { at: now, changes, bytes }
  }
}
