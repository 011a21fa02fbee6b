// Pairs the operations that two streams carried for the same change, and says in a sentence who got what.

/** How long the second stream may take before "nothing" is said of it, in milliseconds. */
const SETTLE_MS = 600
const KEPT = 200
const CAPTIONS = { email: 'e-mail', todos: 'to-dos' }
const THINGS = { people: 'person', private: 'private fields', memberships: 'membership', teams: 'team' }

export class Changes {
  #sides
  #options
  #changes = new Map()

  /** `sides` are two of `{ user, rank, isLive() }`. `report(id, sentence)` gets the sentence of each change, more than once. */
  constructor(sides, options) {
    this.#sides = sides
    this.#options = options
  }

  /** Takes a delta of one person's stream. */
  add(user, { root, timestamp, oplist }) {
    const touched = new Set()
    for (const operation of oplist) {
      // Both servers give a change the timestamp that its source gave it.
      const key = `${timestamp} ${operation.id}`
      const change = this.#changes.get(key) ?? this.#begin(key, operation.id)
      change.got[user] ??= []
      change.got[user].push({ ...operation, root })
      touched.add(change)
    }
    for (const change of touched) this.#show(change)
  }

  #begin(key, id) {
    const change = { id, got: {}, isSettled: false, draw: this.#options.drawer.addChange() }
    this.#changes.set(key, change)
    if (this.#changes.size > KEPT) this.#changes.delete(this.#changes.keys().next().value)
    setTimeout(() => {
      change.isSettled = true
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
