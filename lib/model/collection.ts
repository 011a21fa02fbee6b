import { applyOwning } from './apply.ts'
import type { Document } from './document.ts'
import { IndexedList } from './list.ts'

/** Extends {@link IndexedList} by all operations in full. */
export class DocumentList extends IndexedList {
  /** @param documents the initial list, which is not copied but becomes {@link IndexedList.list} */
  constructor(documents: Document[] = []) {
    super(documents, applyOwning)
  }
}
