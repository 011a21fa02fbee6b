import { ParticleError } from '../errors.ts'
import { MAX_DEPTH } from '../model/bounds.ts'
import type { Document, Json } from '../model/document.ts'

/**
 * Which fields of a root's documents leave the server: `true` for all of a value, or an object that lists the
 * fields which do. A field that isn't listed is hidden. `_id` always passes at the document's root. An array
 * reads through to its elements.
 */
export type Manifest = true | { [field: string]: Manifest }

/**
 * A manifest in an object that has no type of its own: there `true` is of the type `boolean`.
 */
export type WidenedManifest = boolean | { readonly [field: string]: WidenedManifest }

/**
 * Checks a manifest's type: no field is `false`, which is refused at run time, and each field is one of the
 * value's type `V`. A value of the type `any` or `unknown`, or with an index signature, has every field.
 */
export type CheckedManifest<M, V = unknown> = [M] extends [false]
  ? never
  : M extends object
    ? {
        [Field in keyof M]: unknown extends V
          ? CheckedManifest<M[Field]>
          : string extends Field
            ? CheckedManifest<M[Field]>
            : CheckedField<M[Field], ValueIn<V, Field>>
      }
    : M

type CheckedField<M, Found> = [Found] extends [never]
  ? never
  : CheckedManifest<M, Found extends readonly [infer Value] ? Value : unknown>

/** Finds the value of a field, in a tuple, also in an array's elements; `never` without the field. */
type ValueIn<V, Field> = V extends readonly (infer Element)[] ? FieldOf<Element, Field> : FieldOf<V, Field>

type FieldOf<V, Field> = V extends readonly unknown[]
  ? readonly [unknown]
  : V extends object
    ? Field extends keyof V
      ? readonly [V[Field]]
      : never
    : never

/** Whether a value is an object with fields, that is, neither an array nor null. */
export function isFields(value: unknown): value is Record<string, Json | undefined> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object's own field; `undefined` for what it inherits, so that no name reaches a prototype. */
export function own<T>(fields: { [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined
}

/** The manifest of a field; `undefined` where the field is hidden. */
export function below(manifest: Manifest, name: string, atRoot: boolean): Manifest | undefined {
  if (manifest === true || (atRoot && name === '_id')) return true
  return own(manifest, name)
}

/**
 * A value's visible image. Below a partial manifest an object keeps its listed fields, an array its length
 * (an element that is neither object nor array becomes null), and anything else has no image: `undefined`.
 */
export function filterValue(manifest: Manifest, value: Json | undefined, level = 0): Json | undefined {
  if (manifest === true) return value
  // The fields end with the manifest; arrays within arrays could exhaust the stack.
  if (level > MAX_DEPTH)
    throw new ParticleError('INVALID_OPERATION', `A value is nested deeper than ${MAX_DEPTH} levels`)
  if (Array.isArray(value)) return value.map((element) => filterElement(manifest, element, level + 1))
  return isFields(value) ? filterFields(manifest, value, false, level) : undefined
}

/** An array element's visible image: it keeps its place, so null stands for what has no image. */
export function filterElement(manifest: Manifest, value: Json, level = 0): Json {
  return filterValue(manifest, value, level) ?? null
}

/** A document's visible image; the document itself where the manifest is `true`. */
export function filterDocument(manifest: Manifest, document: Document): Document {
  return manifest === true ? document : filterFields(manifest, document, true)
}

function filterFields(
  manifest: Manifest,
  fields: { [name: string]: Json | undefined },
  atRoot: boolean,
  level = 0,
): { [name: string]: Json } {
  const image: { [name: string]: Json } = {}
  for (const name of Object.keys(fields)) {
    const node = below(manifest, name, atRoot)
    const value = node === undefined ? undefined : filterValue(node, fields[name], level + 1)
    if (value !== undefined) image[name] = value
  }
  return image
}
