// A list of people, kept equal to a list of documents. Elements are keyed by `_id` and changed in place, so that the focus and
// what someone is typing survive whatever arrives meanwhile. All text goes in through textContent or value, never as HTML.

const FIELDS = { email: 'E-mail', salary: 'Salary (€)', notes: 'Private notes' }

export class People {
  #list
  #options
  #cards = new Map()
  #settled = false

  /** `call(method, path, body)` makes a REST call and tells whether it went well. */
  constructor(list, options) {
    this.#list = list
    this.#options = options
  }

  /** Shows these documents, with those of their fields that the manifest names. */
  show(documents, manifest) {
    reconcile(this.#list, this.#cards, documents, {
      create: (document) => new PersonCard(document, manifest, this.#options),
      arrived: this.#settled,
    })
    this.#settled = true
  }
}

class PersonCard {
  #fields
  #todos
  #cards = new Map()
  #settled = false
  #options
  #path

  constructor({ _id }, manifest, options) {
    this.element = clone('#person')
    this.#options = options
    this.#path = `people/${encodeURIComponent(_id)}`
    this.#todos = this.element.querySelector('.todos')
    this.#fields = this.#createFields(manifest)
    this.#listen()
  }

  update(person) {
    for (const [name, field] of this.#fields) field.show(person[name])
    const name = person.name || 'Someone'
    this.element.querySelector('.initial').textContent = [...name][0].toUpperCase()
    label(this.element.querySelector('.remove-person'), `Remove ${name}`)
    label(this.element.querySelector('.add-todo input'), `New to-do for ${name}`)
    this.#todos.setAttribute('aria-label', `To-dos of ${name}`)
    reconcile(this.#todos, this.#cards, person.todos ?? [], {
      create: (todo) => new TodoItem(todo, this.#path, this.#options.call),
      arrived: this.#settled,
    })
    this.#settled = true
  }

  #createFields(manifest) {
    const { manages, call } = this.#options
    const save = (name) => (value) => call('PATCH', this.#path, { [name]: value })
    const create = (name, caption) => (manages ? new Editor(name, caption, save(name)) : new Text())
    const fields = new Map([
      ['name', create('name', 'Name')],
      ['role', create('role', 'Role')],
    ])
    for (const [name, field] of fields) this.element.querySelector(`.${name}`).replaceChildren(field.element)

    const list = this.element.querySelector('.fields')
    for (const [name, caption] of Object.entries(FIELDS)) {
      if (!manifest[name]) continue
      const field = create(name, caption)
      fields.set(name, field)
      list.append(wrap('dt', caption), wrap('dd', field.element))
    }
    list.hidden = list.childElementCount === 0
    return fields
  }

  #listen() {
    const { manages, call } = this.#options
    const remove = this.element.querySelector('.remove-person')
    remove.hidden = !manages
    remove.addEventListener('click', () => call('DELETE', this.#path))

    const form = this.element.querySelector('.add-todo')
    form.addEventListener('submit', async (event) => {
      event.preventDefault()
      const title = form.elements.title.value.trim()
      if (title && (await call('POST', `${this.#path}/todos`, { title }))) form.reset()
    })
  }
}

class TodoItem {
  #box
  #title

  constructor({ _id }, person, call) {
    const path = `${person}/todos/${encodeURIComponent(_id)}`
    this.element = clone('#todo')
    this.#title = new Text(this.element.querySelector('.title'))
    this.#box = this.element.querySelector('input')
    this.#box.addEventListener('change', async () => {
      const done = this.#box.checked
      if (!(await call('PATCH', path, { done }))) this.#box.checked = !done
    })
    this.element.querySelector('.remove-todo').addEventListener('click', () => call('DELETE', path))
  }

  update({ title, done }) {
    this.#title.show(title)
    label(this.element.querySelector('.remove-todo'), `Remove “${title}”`)
    if (this.#box.checked !== Boolean(done)) {
      this.#box.checked = Boolean(done)
      if (this.element.isConnected) glow(this.element)
    }
  }
}

/** A value that can only be read. */
class Text {
  constructor(element = document.createElement('span')) {
    this.element = element
  }

  show(value) {
    const text = String(value ?? '')
    if (this.element.textContent === text) return
    this.element.textContent = text
    if (this.element.isConnected) glow(this.element)
  }
}

/** A value that can be changed in place: Enter or leaving it saves, Escape takes back. */
class Editor {
  element
  #shown = ''

  constructor(name, caption, save) {
    this.element = document.createElement(name === 'notes' ? 'textarea' : 'input')
    this.element.name = name
    this.element.placeholder = caption
    this.element.autocomplete = 'off'
    if (name === 'notes') this.element.rows = 2
    if (name === 'salary') this.element.inputMode = 'decimal'
    label(this.element, caption)

    const commit = async () => {
      const { value } = this.element
      if (value === this.#shown) return
      const before = this.#shown
      this.#shown = value
      const saved = await save(
        name === 'salary' ? Number(value.replaceAll(/[\s,]/g, '') || Number.NaN) : value,
      )
      if (!saved && this.#shown === value) {
        this.#shown = before
        this.element.value = before
      }
    }
    this.element.addEventListener('change', commit)
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault()
        commit()
      } else if (event.key === 'Escape') this.element.value = this.#shown
    })
  }

  show(value) {
    const text = String(value ?? '')
    if (text === this.#shown) return
    const typing = this.element === document.activeElement && this.element.value !== this.#shown
    this.#shown = text
    if (typing) return
    this.element.value = text
    if (this.element.isConnected) glow(this.element)
  }
}

/** Makes the children of a list those of the documents: by `_id`, in order, touching only what differs. */
function reconcile(list, cards, documents, { create, arrived }) {
  const ids = new Set(documents.map(({ _id }) => _id))
  for (const [id, { element }] of cards) {
    if (ids.has(id)) continue
    keepFocus(element, list)
    element.remove()
    cards.delete(id)
  }
  let previous = null
  for (const document of documents) {
    let card = cards.get(document._id)
    const isNew = card === undefined
    if (isNew) {
      card = create(document)
      cards.set(document._id, card)
    }
    card.update(document)
    const next = previous ? previous.nextElementSibling : list.firstElementChild
    if (card.element !== next) list.insertBefore(card.element, next)
    if (isNew && arrived) glow(card.element)
    previous = card.element
  }
}

/** Where the focus is in an element that goes away, hands it to a neighbour: a keyboard would else start over at the top. */
function keepFocus(element, list) {
  if (!element.contains(document.activeElement)) return
  const neighbour = element.nextElementSibling ?? element.previousElementSibling ?? list.parentElement
  neighbour.querySelector('input:not([hidden]), button:not([hidden])')?.focus()
}

/** Draws the eye to a change, for a moment. */
function glow(element) {
  element.classList.remove('changed')
  element.getBoundingClientRect() // makes the animation start over
  element.classList.add('changed')
}

function label(element, text) {
  if (element.getAttribute('aria-label') !== text) element.setAttribute('aria-label', text)
}

function clone(template) {
  return document.querySelector(template).content.firstElementChild.cloneNode(true)
}

function wrap(name, content) {
  const element = document.createElement(name)
  element.append(content)
  return element
}
