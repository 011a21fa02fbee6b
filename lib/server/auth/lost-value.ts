/**
 * Describes the first value that JSON would lose without an error. A promise, a Map or a Set becomes `{}`,
 * and a function disappears. Criteria would then find no documents, without a visible cause.
 *
 * @param value a value without circles
 * @param path the names that lead to the value, joined by dots
 * @returns a text such as `a promise in userId: await it first`
 */
export function lostValue(value: unknown, path = ''): string | undefined {
  const place = path && ` in ${path}`
  if (typeof value === 'function') return `a function${place}: call it first`
  if (typeof value !== 'object' || value === null) return undefined
  if ('then' in value && typeof value.then === 'function') return `a promise${place}: await it first`
  if ('toJSON' in value && typeof value.toJSON === 'function') return undefined
  if (value instanceof Map) return `a Map${place}: make an object of it first, Object.fromEntries(map)`
  if (value instanceof Set) return `a Set${place}: make an array of it first, [...set]`
  const isPlain = Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value))
  for (const [name, part] of Object.entries(value)) {
    // Allows the methods that an instance of a class (of an ORM, say) holds as its own fields.
    if (typeof part === 'function' && !isPlain) continue
    const lost = lostValue(part, path ? `${path}.${name}` : name)
    if (lost) return lost
  }
  return undefined
}
