// A list of people, kept equal to a list of documents. Elements are keyed by `_id` and changed in place, so that the focus and
// what someone is typing survive whatever arrives meanwhile. All text goes in through textContent or value, never as HTML.

import { Editor, glow, label, Text } from './field.js'
import { reconcile } from './list.js'

const FIELDS = { email: 'E-mail', salary: 'Salary (€)', notes: 'Private notes' }
const SHORT = { email: 'e-mail', salary: 'salary', notes: 'notes' }

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

  /** Shows these documents, with the fields that they have. */
  show(documents) {
    reconcile(this.#list, this.#cards, documents, {
      create: (document) => new PersonCard(document, this.#options),
      arrived: this.#settled,
    })
    this.#settled = true
  }

  /** Says on a person's card what the last change was for whom. */
  note(id, sentence) {
    const line = this.#cards.get(id)?.element.querySelector('.note')
    if (!line) return
    line.textContent = sentence
    line.hidden = false
  }

  /** Marks the people that are in this list alone. */
  compare(lists) {
    for (const [id, { element }] of this.#cards)
      element.classList.toggle('unshared', !lists.every((list) => list.some(({ _id }) => _id === id)))
  }
}

class PersonCard {
  #fields
  #todos
  #cards = new Map()
  #settled = false
  #options
  #path

  constructor({ _id }, options) {
    this.element = clone('#person')
    this.#options = options
    this.#path = `people/${encodeURIComponent(_id)}`
    this.#todos = this.element.querySelector('.todos')
    this.#fields = this.#createNames()
    this.#listen()
  }

  update(person) {
    this.#showFields(person)
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

  #create(name, caption) {
    const { manages, call } = this.#options
    return manages
      ? new Editor(name, caption, (value) => call('PATCH', this.#path, { [name]: value }))
      : new Text()
  }

  #createNames() {
    const fields = new Map([
      ['name', this.#create('name', 'Name')],
      ['role', this.#create('role', 'Role')],
    ])
    for (const [name, field] of fields) this.element.querySelector(`.${name}`).replaceChildren(field.element)
    return fields
  }

  /** Makes rows of the fields that the document has, and names those that the server keeps back. */
  #showFields(person) {
    const list = this.element.querySelector('.fields')
    const names = Object.keys(FIELDS)
    const shown = names.filter((name) => name in person)
    if (names.some((name) => this.#fields.has(name) !== shown.includes(name))) {
      for (const name of names) this.#fields.delete(name)
      list.replaceChildren()
      for (const name of shown) {
        const field = this.#create(name, FIELDS[name])
        this.#fields.set(name, field)
        list.append(wrap('dt', FIELDS[name]), wrap('dd', field.element))
      }
    }
    list.hidden = shown.length === 0
    const hidden = names.filter((name) => !shown.includes(name)).map((name) => SHORT[name])
    const line = this.element.querySelector('.withheld')
    line.hidden = hidden.length === 0
    line.textContent = `Hidden from this ${this.#options.rank}: ${hidden.join(', ')}`
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

function clone(template) {
  return document.querySelector(template).content.firstElementChild.cloneNode(true)
}

function wrap(name, content) {
  const element = document.createElement(name)
  element.append(content)
  return element
}
