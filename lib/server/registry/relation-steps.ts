import type { Json } from '../../model/document.ts'
import type { Relation } from '../../policy/relation.ts'
import type { Feed } from '../feed/feed.ts'

/** A step of a relation, with the feed of its collection. */
export interface FollowedStep {
  feed: Feed
  collection: string
  from: string
  to: string
}

/** A relation of a source, and where an identity starts in it; undefined where the identity lacks that. */
export interface Followed {
  relation: Relation
  steps: readonly FollowedStep[]
  start: readonly Json[] | undefined
}

/** The values of the relations of one identity, as they are at present. */
export interface RelatedValues {
  /** The values of a relation; undefined where the identity lacks its start. */
  valuesOf(relation: Relation): readonly Json[] | undefined
}
