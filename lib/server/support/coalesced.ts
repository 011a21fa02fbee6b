/** Runs one work at a time. All calls before a run begins share the run. */
export class Coalesced<T = void> {
  readonly #work: () => Promise<T>
  #running: Promise<T> | undefined
  /** The run that has not begun. */
  #next: Promise<T> | undefined

  constructor(work: () => Promise<T>) {
    this.#work = work
  }

  get isRunning(): boolean {
    return (this.#running ?? this.#next) !== undefined
  }

  /** Settles as the next run. The run begins in a later step, and so knows all changes of this step. */
  run(): Promise<T> {
    this.#next ??= this.#start()
    return this.#next
  }

  async #start(): Promise<T> {
    await this.#running?.catch(() => {})
    const running = this.#work()
    this.#running = running
    this.#next = undefined
    try {
      return await running
    } finally {
      if (this.#running === running) this.#running = undefined
    }
  }
}
