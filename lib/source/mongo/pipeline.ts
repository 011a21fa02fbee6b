import type { Document } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import { invalidOption } from '../../model/unknown.ts'
import { matcher, type Query } from '../../policy/query.ts'

/** The events that report a change of a document. */
const OPERATION_TYPES = ['insert', 'update', 'replace', 'delete']
/** The fields whose values are known before an event comes. `to` is missing. */
const KNOWN: ReadonlySet<string> = new Set([
  'operationType',
  'ns',
  'ns.db',
  'ns.coll',
  'to',
  'to.db',
  'to.coll',
])
/** The stages that leave an event whole. */
const STAGES = ['$match', '$changeStreamSplitLargeEvent']

/**
 * Checks the stages of a change stream. Other stages than `$match` would change the events, from which
 * Particle reads the changes.
 *
 * @throws ParticleError `INVALID_OPTION`
 */
export function checkPipeline(pipeline: unknown): asserts pipeline is Query[] {
  const isList = Array.isArray(pipeline) && pipeline.every(isObject)
  const names = isList ? pipeline.flatMap((stage) => Object.keys(stage)) : []
  const other = names.find((name) => !STAGES.includes(name))
  if (isList && other === undefined) return
  const found = other === undefined ? 'is no list of stages' : `has the stage ${other}`
  throw invalidOption(`mongo(db, options): the pipeline ${found}: give a list of $match stages`)
}

/**
 * Checks that a pipeline lets the changes of a collection through. Otherwise, clients would keep old
 * documents, or rights that have ended.
 *
 * @throws ParticleError `INVALID_OPTION` for a pipeline that leaves out a kind of events
 */
export function checkReported(pipeline: readonly Query[], db: string, coll: string): void {
  const out = OPERATION_TYPES.filter((operationType) => {
    const event = { operationType, ns: { db, coll } }
    return !pipeline.every(({ $match }) => mayMatch($match, event))
  })
  if (out.length === 0) return
  const events = out.length === OPERATION_TYPES.length ? 'all changes' : `the events ${out.join(', ')}`
  throw invalidOption(
    `mongo(db, options): the pipeline leaves out ${events} of the collection ${coll}, which Particle reads: ` +
      "let them through, with the collection's name in the condition on 'ns.coll', for example",
  )
}

/** Checks whether a condition can hold for an event. Returns true in doubt: other fields may have any value. */
function mayMatch(condition: unknown, event: Document): boolean {
  if (!isObject(condition)) return true
  return Object.entries(condition).every(([key, value]) => {
    const parts: unknown[] = Array.isArray(value) ? value : []
    if (key === '$and') return parts.every((part) => mayMatch(part, event))
    if (key === '$or') return parts.some((part) => mayMatch(part, event))
    return !KNOWN.has(key) || matches({ [key]: value }, event)
  })
}

function matches(query: Query, event: Document): boolean {
  try {
    return matcher(query)(event)
  } catch {
    // Leaves a condition that only MongoDB knows to MongoDB.
    return true
  }
}
