/**
 * Holds the changes of rights that follow from the changes of documents. They are applied together at the end
 * of a step, and before that ahead of the next entry for clients: a client must not get an entry that came
 * after the end of its right.
 */
export class PendingRights {
  readonly #due = new Set<() => void>()
  #isScheduled = false

  /** Whether some changes of rights were not applied yet. */
  get isDue(): boolean {
    return this.#due.size > 0
  }

  /** Adds a change of rights, once until it is applied. */
  add(apply: () => void): void {
    // Waits for the other changes that the source reports in this step.
    this.#due.add(apply)
    if (this.#isScheduled) return
    this.#isScheduled = true
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
