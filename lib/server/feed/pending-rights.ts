/**
 * Holds the changes of rights that follow from changed documents, so that those of one step are applied
 * together. They are applied at the end of the step, or earlier if an entry is about to go to clients: a
 * client must not get an entry from after the end of its right.
 */
export class PendingRights {
  readonly #due = new Set<() => void>()
  #isScheduled = false

  /** Whether changes of rights wait to be applied. */
  get isDue(): boolean {
    return this.#due.size > 0
  }

  /** Adds a change of rights. A change that waits already is not added again. */
  add(apply: () => void): void {
    this.#due.add(apply)
    if (this.#isScheduled) return
    this.#isScheduled = true
    // Waits for the other changes that the source reports in this step.
    queueMicrotask(() => {
      this.#isScheduled = false
      this.settle()
    })
  }

  /** Applies all changes of rights. */
  settle(): void {
    for (const apply of this.#due) {
      this.#due.delete(apply)
      apply()
    }
  }
}
