/** Describes the content of a store. */
export interface Header<Content = unknown> {
  /** Versions the format. */
  version: number
  /** Identifies the server and the identity, without revealing them. Empty after the model was removed. */
  owner: string
  /** Changes with each removal, so that another tab can't write the removed model again. */
  epoch: string
  /** The client that wrote last. The other clients don't know the chunks any more. */
  writer?: string
  /** The model, without its documents. */
  content?: Content
}

/** Describes changes of a store, which are made as a whole or not at all. */
export interface StoreChange {
  /** Checks the present header. Nothing is changed when the function returns false. */
  check: (present: Header | undefined) => boolean
  header: Header
  put: readonly (readonly [key: number, text: string])[]
  /** The keys of chunks to remove, or `all`. */
  remove: readonly number[] | 'all'
}

/** Keeps a header, and texts by their numbers. All methods reject when the store is broken. */
export interface ChunkStore {
  /** Reads the header, and the texts that `keysOf` names, as of one moment. */
  read(keysOf: (header: Header) => readonly number[]): Promise<{
    header: Header | undefined
    texts: ReadonlyMap<number, string>
  }>
  /** Makes a change. Resolves to whether the present header fitted. */
  write(change: StoreChange): Promise<boolean>
  /** Resolves when this client alone may write. */
  lock(): Promise<void>
  /** Ends the right to write, and the wait for that right. */
  unlock(): void
  /** Closes the store, and ends the right to write. */
  close(): void
}
