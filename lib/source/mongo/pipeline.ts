import type { Document } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import { invalidOption } from '../../model/unknown.ts'
import { matcher, type Query } from '../../policy/query.ts'

/** The fields that each kind of event never has. Particle asks for no `fullDocument` of an update. */
const ABSENT: Readonly<Record<string, readonly string[]>> = {
  insert: ['updateDescription', 'fullDocumentBeforeChange', 'to'],
  update: ['fullDocument', 'to'],
  replace: ['updateDescription', 'to'],
  delete: ['fullDocument', 'updateDescription', 'to'],
  drop: ['documentKey', 'fullDocument', 'fullDocumentBeforeChange', 'updateDescription', 'to'],
  rename: ['documentKey', 'fullDocument', 'fullDocumentBeforeChange', 'updateDescription'],
}
/** The stages that leave an event whole. */
const STAGES = ['$match', '$changeStreamSplitLargeEvent']

/**
 * Checks the stages of a change stream. Other stages than `$match` would change the events, from which
 * Particle reads the changes.
 *
 * @throws ParticleError `INVALID_OPTION`
 */
export function checkPipeline(pipeline: unknown): asserts pipeline is Query[] {
  const isStage = (stage: unknown) => isObject(stage) && Object.keys(stage).length > 0
  const isList = Array.isArray(pipeline) && pipeline.every(isStage)
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
  const kinds = Object.keys(ABSENT)
  const out = kinds.filter((operationType) => {
    const event = { operationType, ns: { db, coll } }
    return pipeline.some(({ $match }) => outcome($match, event) === false)
  })
  if (out.length === 0) return
  const events = out.length === kinds.length ? 'all changes' : `the events ${out.join(', ')}`
  throw invalidOption(
    `mongo(db, options): the pipeline leaves out ${events} of the collection ${coll}, ` +
      `which Particle reads: let them through, as the condition { 'ns.coll': '${coll}' } does`,
  )
}

type Outcome = boolean | undefined

/** Tests an event by a condition. Returns `undefined` in doubt: the other fields may have any value. */
function outcome(condition: unknown, event: Document & { operationType: string }): Outcome {
  if (!isObject(condition)) return undefined
  const known = ['operationType', 'ns', ...(ABSENT[event.operationType] ?? [])]
  const outcomes = Object.entries(condition).map(([key, value]) => {
    const parts = () => (Array.isArray(value) ? value.map((part) => outcome(part, event)) : [])
    if (key === '$and') return every(parts())
    if (key === '$or') return not(every(parts().map(not)))
    if (key === '$nor') return every(parts().map(not))
    return known.includes(key.split('.', 1).join()) ? matches({ [key]: value }, event) : undefined
  })
  return every(outcomes)
}

function every(outcomes: readonly Outcome[]): Outcome {
  if (outcomes.includes(false)) return false
  return outcomes.includes(undefined) ? undefined : true
}

function not(one: Outcome): Outcome {
  return one === undefined ? undefined : !one
}

/** Leaves to MongoDB what only MongoDB knows: other operators, and values of its own classes. */
function matches(query: Query, event: Document): Outcome {
  if (hasBson(query)) return undefined
  try {
    return matcher(query)(event)
  } catch {
    return undefined
  }
}

function hasBson(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return '_bsontype' in value || Object.values(value).some(hasBson)
}
