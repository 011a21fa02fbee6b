import type { Document } from '../model/document.ts'
import type { ElementOf } from '../model/shape.ts'
import type { ServerEvent } from '../protocol/messages.ts'

/**
 * Receives changes that touch a pattern: the root's current documents, the last event that touched the
 * pattern, and all such events since the last call, in order.
 */
export type Listener<Data = Document[]> = (
  data: Data,
  event: ServerEvent,
  events: readonly ServerEvent[],
) => void

/**
 * Receives the documents of a root that differ from the last call. `event` is the last event that changed the
 * root. A document that only moved within its list does not differ.
 */
export interface DocumentListeners<D = Document> {
  added?(document: D, event: ServerEvent): void
  /** Receives the document, and the same document before. */
  changed?(document: D, before: D, event: ServerEvent): void
  removed?(document: D, event: ServerEvent): void
}

/** Receives changes as a function, or the documents that differ as an object of functions. */
export type AnyListener<Data> = Listener<Data> | DocumentListeners<ElementOf<Data>>
