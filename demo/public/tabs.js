// Two buttons that choose the view on a narrow screen, each with a badge: the changes that came while the view was out of sight.
export class Tabs {
  #buttons
  #panes
  #counts = new Map()

  constructor(group, panes) {
    this.#panes = panes
    this.#buttons = [...group.querySelectorAll('.tab')]
    for (const button of this.#buttons)
      button.addEventListener('click', () => this.#show(button.dataset.shows))
  }

  /** Counts a change that a person got, unless the person's view is the one in sight. */
  count(user) {
    if (this.#panes.dataset.shown !== user) this.#set(user, (this.#counts.get(user) ?? 0) + 1)
  }

  #show(user) {
    this.#panes.dataset.shown = user
    for (const button of this.#buttons)
      button.setAttribute('aria-pressed', String(button.dataset.shows === user))
    this.#set(user, 0)
  }

  #set(user, count) {
    this.#counts.set(user, count)
    const badge = this.#buttons.find(({ dataset }) => dataset.shows === user).querySelector('.badge')
    badge.textContent = count === 1 ? '1 change' : `${count} changes`
    badge.hidden = count === 0
  }
}
