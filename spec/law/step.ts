import type { World } from './world.ts'

/** One thing that happens, told in a few words. What can't happen just then doesn't. */
export class Step {
  readonly #text: string
  readonly run: (world: World) => unknown

  constructor(text: string, run: (world: World) => unknown) {
    this.#text = text
    this.run = run
  }

  toString(): string {
    return this.#text
  }
}
