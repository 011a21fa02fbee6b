import type { Json } from '../../model/document.ts'
import type { Relation } from '../../policy/relation.ts'
import type { Feed } from '../feed/feed.ts'

/** A step of a relation, with the feed of its collection. */
export interface RelationStep {
  feed: Feed
  collection: string
  from: string
  to: string
}

/** A relation of a source, and where an identity starts in it; undefined where the identity lacks that. */
export interface IdentityRelation {
  relation: Relation
  steps: readonly RelationStep[]
  start: readonly Json[] | undefined
}

/** The values of the relations of one identity, as they are at present. */
export interface RelatedValues {
  /** The values of a relation; undefined where the identity lacks its start. */
  valuesOf(relation: Relation): readonly Json[] | undefined
}
