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

/** A value that can be changed in place: Enter or leaving it saves, Escape takes back. */
export class Editor {
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

/** Draws the eye to a change, for a moment. */
export function glow(element) {
  element.classList.remove('changed')
  element.getBoundingClientRect() // makes the animation start over
  element.classList.add('changed')
}

export function label(element, text) {
  if (element.getAttribute('aria-label') !== text) element.setAttribute('aria-label', text)
}
