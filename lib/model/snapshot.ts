import type { Document } from './document.ts'
import type { Image } from './sequence.ts'

/** Names the method by which Node's console shows an object. */
export const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/** Lists the functions of an array that read no documents, or a single one. */
const SPARING: readonly (string | symbol)[] = ['constructor', 'at']

/**
 * Returns an image as a frozen array. The array is a `Proxy`, filled once more is read of it than its length
 * and single documents, so that a snapshot needs no copy. `structuredClone` refuses a `Proxy`: clone a copy,
 * `[...array]`.
 */
export function frozenView(image: Image): readonly Document[] {
  const array: Document[] = []
  let source: Image | undefined = image
  const filled = () => {
    if (source) {
      Reflect.deleteProperty(array, INSPECT)
      Object.freeze(source.addTo(array))
      source = undefined
    }
    return array
  }
  // Node's console shows the target of a proxy.
  Object.defineProperty(array, INSPECT, { value: filled, configurable: true })
  const handler: Record<string, unknown> = {}
  // Fills the array for each other question. A change fails then, since the filled array is frozen.
  for (const name of Object.getOwnPropertyNames(Reflect))
    handler[name] = (_: unknown, ...given: unknown[]) => Reflect.get(Reflect, name)(filled(), ...given)
  handler.get = (_: unknown, name: string | symbol) => {
    if (source && name === 'length') return source.size
    if (source && typeof name === 'string' && `${Number(name)}` === name) return source.at(Number(name))
    const value = Reflect.get(array, name)
    // Binds methods to the array itself: through the proxy they would take far longer.
    return typeof value === 'function' && !SPARING.includes(name) ? value.bind(filled()) : value
  }
  return new Proxy(array, handler)
}
