/** Represents any value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/**
 * Identifies a document: its `_id` in JSON form, usually a string (an ObjectId's hex, a UUID) or a number.
 */
export type Id = Json

/** Represents a document as JSON. `_id` identifies the document within its root. */
export interface Document {
  _id?: Json
  [field: string]: Json | undefined
}

/** Represents the local model: for each root, its documents in the order of their arrival. */
export type Model = Record<string, Document[]>
