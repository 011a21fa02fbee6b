/** Runs one work at a time. All calls until a run begins share it. */
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

  /** Settles as a run that begins after the call, in a later step: it knows all changes of this step. */
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
