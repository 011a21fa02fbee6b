// Lists of elements that stay equal to lists of documents.
import { glow } from './field.js'

/** Makes the children of a list those of the documents: by `_id`, in order, touching only what differs. */
export function reconcile(list, cards, documents, { create, arrived }) {
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
