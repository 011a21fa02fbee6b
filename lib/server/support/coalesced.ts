/** Runs one work at a time. All calls during a run share the next run, which begins after it. */
export class Coalesced {
  readonly #work: () => Promise<void>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(work: () => Promise<void>) {
    this.#work = work
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Settles as a run that begins after the call. */
  run(): Promise<void> {
    if (!this.#running) return this.#start()
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        return this.#start()
      })
    return this.#next
  }

  #start(): Promise<void> {
    // Runs in a later step. All changes of the present step are then known.
    const running = Promise.resolve()
      .then(this.#work)
      .finally(() => {
        if (this.#running === running) this.#running = undefined
      })
    this.#running = running
    return running
  }
}
