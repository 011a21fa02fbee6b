import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { isObject } from '../../model/json.ts'
import type { Query } from '../source.ts'
import { update as updated } from './change.ts'
import { createId } from './identifier.ts'
import type { Positions } from './positional.ts'
import { compile, equalities } from './query.ts'
import { invalid, type Step, segmentsOf } from './update.ts'
import { stored } from './value.ts'

/** Converts an application's value to a document. Throws `INVALID_OPERATION`. */
export function documentOf(value: unknown): Document {
  const document = stored(value)
  if (!isObject(document)) throw invalid('A document must be an object.')
  return document as Document
}

/** Converts an application's value to a document with an `_id`. Throws `INVALID_OPERATION`. */
export function prepare(given: unknown): Document {
  const document = identified(documentOf(given), {})
  const field = Object.keys(document).find((name) => name.startsWith('$'))
  if (field) throw invalid(`A document can't have a field '${field}': names that begin with $ are operators.`)
  // Sets the `_id` in the application's object too, as the driver does.
  if (isObject(given) && given._id === undefined && Object.isExtensible(given))
    given._id = document._id ?? null
  return document
}

/**
 * Puts a document's `_id` first, and creates a missing `_id`. If `other` has an `_id`, the document must have
 * the same.
 */
export function identified({ _id, ...fields }: Document, other: Document): Document {
  const id = _id ?? createId()
  if (Array.isArray(id)) throw invalid("An `_id` can't be an array.")
  if (other._id !== undefined && idKey(other._id) !== idKey(id))
    throw invalid("A replacement can't change `_id`.")
  return { _id: id, ...fields }
}

/** Builds the document of an upsert: the query's equalities, then the update. */
export function upserted(query: Query, steps: readonly Step[], positions: Positions): Document {
  // Checks the query, which may not have been compiled for any document yet.
  compile(query)
  const asked = equalities(query).map(([path, data]): Step => {
    return { operation: 'set', segments: segmentsOf(path), data, onInsert: false }
  })
  const base = updated(
    {},
    asked.filter(({ segments }) => segments[0] !== '_id'),
    positions,
  ).document
  const fixed = asked.find(({ segments }) => segments.length === 1 && segments[0] === '_id')?.data
  const given = steps.find(
    ({ segments, operation }) => operation === 'set' && segments.join('.') === '_id',
  )?.data
  const _id = fixed ?? given ?? createId()
  return identified(updated({ _id, ...base }, steps, positions).document, {})
}
