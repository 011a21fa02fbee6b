import type { Json } from '../../model/document.ts'
import type { Relation } from '../../policy/relation.ts'
import type { Feed } from '../feed/feed.ts'

/** Describes a step of a relation, with the feed of its collection. */
export interface RelationStep {
  feed: Feed
  collection: string
  from: string
  to: string
}

/**
 * Describes a relation of a source, with an identity's start values. `start` is undefined when the identity
 * lacks the field.
 */
export interface IdentityRelation {
  relation: Relation
  steps: readonly RelationStep[]
  start: readonly Json[] | undefined
}

/** Gives the current values of one identity's relations. */
export interface RelatedValues {
  /** Returns the values of a relation. Returns undefined when the identity lacks the start. */
  valuesOf(relation: Relation): readonly Json[] | undefined
}
