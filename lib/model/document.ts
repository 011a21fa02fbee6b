/** Any value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A document's `_id` in its JSON form: mostly a string (an ObjectId's hex, a UUID) or a number. */
export type Id = Json

/** A document, as JSON. `_id` identifies it within its root. */
export interface Document {
  _id?: Json
  [field: string]: Json | undefined
}

/** The local model: for each root, its documents in the order they came. */
export type Model = Record<string, Document[]>
