// The values of a person: to read, or to edit in place. Text goes in through textContent or value, never as HTML.

/** A value that can only be read. */
export class Text {
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

/** Says of each field what is wrong with a text, or returns an empty string. The server checks again. */
const CHECKS = {
  name: (text) => (text.trim() ? '' : 'Write a name of 1 to 80 characters.'),
  email: (text) =>
    !text || /^\S+@\S+\.\S+$/.test(text) ? '' : 'Write an e-mail address, such as ada@apollo.example.',
  salary: (text) => (toNumber(text) >= 0 ? '' : 'Write a number of euros, 0 or more.'),
}
const LENGTHS = { name: 80, role: 80, email: 120, salary: 20, notes: 1000 }

let hints = 0

/** A value that can be changed in place: Enter or leaving it saves, Escape takes back. */
export class Editor {
  element = document.createElement('div')
  #name
  #save
  #input
  #hint = document.createElement('p')
  #shown = ''

  constructor(name, caption, save) {
    this.#name = name
    this.#save = save
    this.#input = document.createElement(name === 'notes' ? 'textarea' : 'input')
    this.#input.name = name
    this.#input.placeholder = caption
    this.#input.autocomplete = 'off'
    this.#input.maxLength = LENGTHS[name]
    if (name === 'notes') this.#input.rows = 1
    if (name === 'salary') this.#input.inputMode = 'decimal'
    if (name === 'email') this.#input.inputMode = 'email'
    label(this.#input, caption)
    this.#hint.id = `hint-${++hints}`
    this.#hint.className = 'hint'
    this.#input.setAttribute('aria-describedby', this.#hint.id)
    this.element.className = 'editor'
    this.element.append(this.#input, this.#hint)
    this.#check()

    this.#input.addEventListener('input', () => this.#check())
    this.#input.addEventListener('change', () => this.#commit())
    this.#input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault()
        this.#commit()
      } else if (event.key === 'Escape') this.#put(this.#shown)
    })
  }

  #put(text) {
    this.#input.value = text
    this.#check()
  }

  /** Shows what is wrong with the typed text, and returns whether it is right. */
  #check() {
    const problem = this.#input.value === this.#shown ? '' : (CHECKS[this.#name]?.(this.#input.value) ?? '')
    this.#input.setAttribute('aria-invalid', String(problem !== ''))
    this.#hint.textContent = problem
    this.#hint.hidden = problem === ''
    return problem === ''
  }

  async #commit() {
    const { value } = this.#input
    if (value === this.#shown || !this.#check()) return
    const before = this.#shown
    this.#shown = value
    const saved = await this.#save(this.#name === 'salary' ? toNumber(value) : value)
    if (saved || this.#shown !== value) return
    this.#shown = before
    this.#put(before)
  }

  show(value) {
    const text = String(value ?? '')
    if (text === this.#shown) return
    const typing = this.#input === document.activeElement && this.#input.value !== this.#shown
    this.#shown = text
    if (typing) return
    this.#put(text)
    if (this.element.isConnected) glow(this.#input)
  }
}

/** Reads a number as people write it, such as "70,500". Text without a number is NaN. */
function toNumber(text) {
  return Number(text.replaceAll(/[\s,]/g, '') || Number.NaN)
}

/** Draws the eye to a change, for a moment. */
export function glow(element) {
  element.classList.remove('changed')
  element.getBoundingClientRect() // makes the animation start over
  element.classList.add('changed')
}

export function label(element, text) {
  if (element.getAttribute('aria-label') !== text) element.setAttribute('aria-label', text)
}
