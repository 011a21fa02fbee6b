import { applyOwning } from './apply.ts'
import type { Document } from './document.ts'
import { IndexedList } from './list.ts'

/** An {@link IndexedList} that knows all operations in full. */
export class DocumentList extends IndexedList {
  /** @param documents The list to begin with. It is not copied: it becomes {@link IndexedList.list}. */
  constructor(documents: Document[] = []) {
    super(documents, applyOwning)
  }
}
