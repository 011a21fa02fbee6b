// The drawer at the bottom: every event of both streams, newest first, with the operations of the two people side by side.

const KEPT = 60
const WITHHELD = '(a sealed token)'
const ADDS = new Set(['push', 'pushAll', 'addToSet'])
const REMOVES = new Set(['unset', 'pull', 'pullAll', 'pop', 'truncate'])

export class Drawer {
  #events
  #count
  #latest
  #total = 0
  #pings = new Map()

  constructor(element) {
    this.#events = element.querySelector('.events')
    this.#count = element.querySelector('.count')
    this.#latest = element.querySelector('.latest')
    this.#events.tabIndex = 0 // it scrolls, also by keyboard
    const bar = element.querySelector('.drawer-bar')
    bar.addEventListener('click', () => {
      this.#events.hidden = !this.#events.hidden
      bar.setAttribute('aria-expanded', String(!this.#events.hidden))
    })
  }

  /** Adds an event that one person's stream carried. */
  add(user, name, data) {
    // Heartbeats in a row would push everything else out of sight: each person has one line of them.
    if (name === 'ping') this.#pings.get(user)?.remove()
    const row = this.#create(name)
    if (name === 'ping') this.#pings.set(user, row)
    const details = document.createElement('details')
    details.append(textElement('summary', summary(name, data)), textElement('code', readable(name, data)))
    row.querySelector(`[data-user="${user}"]`).append(details)
  }

  /** Adds a change that one or both streams carried, and returns a function that shows its present state. */
  addChange() {
    const row = this.#create('delta')
    return (sentence, sides) => {
      this.#latest.textContent = sentence
      row.querySelector('.sentence').textContent = sentence
      for (const { user, operations, isSettled } of sides) {
        const side = row.querySelector(`[data-user="${user}"]`)
        side.replaceChildren(...operations.map(operationElement))
        if (operations.length === 0 && isSettled) side.append(textElement('span', 'nothing', 'nothing'))
      }
    }
  }

  #create(name) {
    this.#total++
    this.#count.textContent = this.#total === 1 ? '1 event' : `${this.#total} events`
    const row = document.querySelector('#event').content.firstElementChild.cloneNode(true)
    row.dataset.event = name
    row.querySelector('.event-name').textContent = name
    row.querySelector('time').textContent = new Date().toLocaleTimeString([], { hour12: false })
    this.#events.prepend(row)
    while (this.#events.childElementCount > KEPT) this.#events.lastElementChild.remove()
    return row
  }
}

/** Draws an operation in the colour of its kind. An operation that only one of the two got is marked so. */
function operationElement({ operation, path, data, isOnly }) {
  const element = textElement('code', '', 'op')
  element.dataset.kind = kindOf(operation, path)
  element.append(textElement('b', operation), ` ${path === '.' ? 'the document' : path}`)
  if (data !== undefined) element.append(' ', textElement('span', clip(JSON.stringify(data)), 'value'))
  if (isOnly) element.append(' ', textElement('i', 'only here', 'only'))
  return element
}

function kindOf(operation, path) {
  if (REMOVES.has(operation)) return 'remove'
  return ADDS.has(operation) || path === '.' ? 'add' : 'change'
}

function summary(name, data) {
  const bytes = `${data.length.toLocaleString('en')} characters`
  if (name !== 'payload') return bytes
  const { root, data: documents } = JSON.parse(data)
  return `${root}: ${documents.length === 1 ? '1 document' : `${documents.length} documents`}, ${bytes}`
}

/** The event's JSON as it came, but for a token, which is not for the screen. */
function readable(name, data) {
  if (name !== 'session') return data
  return JSON.stringify({ ...JSON.parse(data), token: WITHHELD })
}

function clip(text) {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text
}

function textElement(name, text, className = '') {
  const element = document.createElement(name)
  element.textContent = text
  if (className) element.className = className
  return element
}
