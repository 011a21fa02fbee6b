// The teams, as buttons that are pressed while the user is in them.
export class Teams {
  #group
  #call
  #buttons = new Map()

  /** `call(method, path)` makes a REST call and tells whether it went well. */
  constructor(group, call) {
    this.#group = group
    this.#call = call
  }

  show(teams, memberships) {
    const joined = new Set(memberships.map(({ team }) => team))
    for (const { _id, name } of teams) {
      const button = this.#buttons.get(_id) ?? this.#create(_id)
      if (button.textContent !== name) button.textContent = name
      button.setAttribute('aria-pressed', String(joined.has(_id)))
    }
  }

  #create(id) {
    const button = document.querySelector('#team').content.firstElementChild.cloneNode(true)
    button.addEventListener('click', () => {
      const leave = button.getAttribute('aria-pressed') === 'true'
      this.#call(leave ? 'DELETE' : 'PUT', `teams/${encodeURIComponent(id)}/membership`)
    })
    this.#buttons.set(id, button)
    this.#group.append(button)
    return button
  }
}
