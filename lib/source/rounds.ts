/** Repeats a task at an interval, one run after the other. */
export class Rounds {
  #timer: NodeJS.Timeout | undefined
  #round: () => void = () => {}
  #busy = false

  /** Starts the rounds. Keeps running rounds as they are. */
  begin(milliseconds: number, run: () => Promise<void>, failed: (error: unknown) => void): void {
    if (this.#timer) return
    this.#round = () => {
      if (this.#busy || !this.#timer) return
      this.#busy = true
      run()
        .catch((error: unknown) => {
          if (this.#timer) failed(error)
        })
        .finally(() => {
          this.#busy = false
        })
    }
    this.#timer = setInterval(this.#round, milliseconds).unref()
  }

  /** Starts the next round at once, unless one is under way. */
  hurry(): void {
    this.#round()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
