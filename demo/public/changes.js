// Pairs the operations that two streams carried for the same change, and says in a sentence who got what.

/** How long the second stream may take before "nothing" is said of it, in milliseconds. */
const SETTLE_MS = 600
const KEPT = 200
const CAPTIONS = { email: 'e-mail', todos: 'to-dos' }
const THINGS = { people: 'person', private: 'private fields', memberships: 'membership', teams: 'team' }

export class Changes {
  #sides
  #options
  #changes = []

  /** `sides` are two of `{ user, rank, isLive() }`. `report(id, sentence)` gets the sentence of each change, more than once. */
  constructor(sides, options) {
    this.#sides = sides
    this.#options = options
  }

  /** Takes a delta of one person's stream. */
  add(user, { root, oplist }) {
    for (const id of new Set(oplist.map((operation) => operation.id))) {
      const operations = oplist.filter((operation) => operation.id === id).map((one) => ({ ...one, root }))
      const known = this.#changes.find((each) => each.id === id && fits(each, user, operations))
      const change = known ?? this.#begin(id)
      change.got[user] = [...(change.got[user] ?? []), ...operations]
      this.#show(change)
    }
  }

  #begin(id) {
    const change = { id, got: {}, isSettled: false, cutOff: [], draw: this.#options.drawer.addChange() }
    this.#changes.push(change)
    if (this.#changes.length > KEPT) this.#changes.shift()
    setTimeout(() => {
      change.isSettled = true
      change.cutOff = this.#sides.filter(({ isLive }) => !isLive()).map((side) => side.user)
      this.#show(change)
    }, SETTLE_MS)
    return change
  }

  #show(change) {
    const sides = this.#sides.map((side, index) => {
      const { got, isSettled } = change
      const others = new Set((got[this.#sides[1 - index].user] ?? []).map(identityOf))
      const operations = (got[side.user] ?? []).map((operation) => ({
        ...operation,
        isOnly: isSettled && !others.has(identityOf(operation)),
      }))
      return { ...side, operations, isSettled }
    })
    const sentence = `${subjectOf(change)}: ${outcome(sides)}`
    change.draw(sentence, sides)
    this.#options.report(change.id, sentence, sides)
  }
}

/**
 * Checks whether operations on a document belong to a change of it. A stream has the changes of a document in their order, so a person
 * gets each root of a change once, and what both get is the same.
 */
function fits({ got, isSettled, cutOff }, user, operations) {
  if (isSettled && !cutOff.includes(user)) return false
  const ofRoot = (one) => one.root === operations[0].root
  if (got[user]?.some(ofRoot)) return false
  const others = Object.values(got).flat().filter(ofRoot).map(identityOf)
  return others.length === 0 || operations.some((operation) => others.includes(identityOf(operation)))
}

function identityOf({ operation, path, data }) {
  return JSON.stringify([operation, path, data])
}

/** Names the fields that changed, or the document that came or went. */
function subjectOf({ got }) {
  const operations = Object.values(got).flat()
  const whole = operations.find(({ path }) => path === '.')
  if (whole) {
    const { root, operation, data } = operations.find(({ root }) => root === 'people') ?? whole
    const thing = data?.name ?? THINGS[root] ?? root
    return operation === 'unset' ? `${thing} removed` : `${thing} added`
  }
  const fields = new Set(operations.map(({ path }) => path.split(/[.[]/)[0]))
  return `${[...fields].map((field) => CAPTIONS[field] ?? field).join(' and ')} changed`
}

function outcome(sides) {
  const parts = []
  for (const { rank, operations, isSettled, isLive } of sides) {
    const verb = parts.some((part) => part.includes(' got ')) ? '' : 'got '
    const count = operations.length
    if (count > 0) parts.push(`the ${rank} ${verb}${count === 1 ? '1 operation' : `${count} operations`}`)
    else if (!isLive()) parts.push(`the ${rank} is cut off`)
    else if (isSettled) parts.push(`the ${rank} ${verb}nothing`)
  }
  return parts.join(', ')
}
