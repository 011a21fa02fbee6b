/** The content of an element: text is never read as HTML. */
export type Content = Node | string

/** Creates an element with attributes and content. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...content: Content[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...content)
  return made
}

/** Creates a button that calls a function. */
export function button(text: string, pressed: () => void): HTMLButtonElement {
  const made = element('button', { type: 'button' }, text)
  made.addEventListener('click', pressed)
  return made
}

/** Shows rows of text in a table. Keeps the row of each key, so that a focused button keeps the focus. */
export class Table<Item> {
  readonly node: HTMLElement
  readonly #columns: Record<string, (item: Item) => string | Node>
  readonly #key: (item: Item) => string
  readonly #rows = new Map<string, HTMLTableRowElement>()
  readonly #body = element('tbody')

  /** @param columns returns the cell of each column; a node is created once, and must not change */
  constructor(label: string, key: (item: Item) => string, columns: Record<string, (item: Item) => Content>) {
    this.#columns = columns
    this.#key = key
    const heads = Object.keys(columns).map((name) => element('th', { scope: 'col' }, name))
    const table = element('table', { 'aria-label': label }, element('thead', {}, element('tr', {}, ...heads)))
    table.append(this.#body)
    this.node = element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, table)
  }

  show(items: readonly Item[]): void {
    const keys = new Set(items.map(this.#key))
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue
      row.remove()
      this.#rows.delete(key)
    }
    for (const [index, item] of items.entries()) {
      const row = this.#rowOf(item)
      if (this.#body.children[index] !== row) this.#body.insertBefore(row, this.#body.children[index] ?? null)
    }
  }

  #rowOf(item: Item): HTMLTableRowElement {
    const key = this.#key(item)
    const columns = Object.values(this.#columns)
    const known = this.#rows.get(key)
    const row = known ?? element('tr', {}, ...columns.map(() => element('td')))
    this.#rows.set(key, row)
    for (const [index, column] of columns.entries()) {
      const cell = row.children[index]
      const content = known && cell?.firstElementChild ? undefined : column(item)
      if (!cell || content === undefined || content === cell.textContent) continue
      cell.replaceChildren(content)
    }
    return row
  }
}

/** Shows the newest entries first, up to a number. */
export class List {
  readonly node: HTMLElement
  readonly #max: number

  constructor(label: string, max: number) {
    this.node = element('ol', { class: 'log', tabindex: '0', 'aria-label': label })
    this.#max = max
  }

  add(...content: Content[]): void {
    this.node.prepend(element('li', {}, ...content))
    while (this.node.children.length > this.#max) this.node.lastElementChild?.remove()
  }

  clear(): void {
    this.node.replaceChildren()
  }
}
