// The live log of what came over the wire, newest first.

const KEPT = 60
const WITHHELD = '(a sealed token)'

export class Log {
  #list
  #count
  #total = 0
  #last

  constructor(section, user) {
    this.#list = section.querySelector('.events')
    this.#count = section.querySelector('.count')
    this.#list.tabIndex = 0 // it scrolls, also by keyboard
    this.#list.setAttribute('aria-label', `Events that ${user} received, newest first`)
  }

  add(name, data) {
    this.#total++
    this.#count.textContent = this.#total === 1 ? '1 event' : `${this.#total} events`
    // Heartbeats in a row would push everything else out of sight: they share one line.
    if (name === 'ping' && this.#last === 'ping') this.#list.firstElementChild.remove()
    this.#last = name

    const entry = document.querySelector('#event').content.cloneNode(true).firstElementChild
    entry.dataset.event = name
    entry.querySelector('.event-name').textContent = name
    entry.querySelector('time').textContent = new Date().toLocaleTimeString([], { hour12: false })
    entry.querySelector('.event-data').textContent = readable(name, data)
    this.#list.prepend(entry)
    while (this.#list.childElementCount > KEPT) this.#list.lastElementChild.remove()
  }
}

/** The event's JSON as it came, but for a token, which is not for the screen. */
function readable(name, data) {
  if (name !== 'session') return data
  return JSON.stringify({ ...JSON.parse(data), token: WITHHELD })
}
