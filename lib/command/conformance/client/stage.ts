import { type Case, casesOf } from '../case.ts'
import type { Stage } from '../runner.ts'
import { Driver } from './driver.ts'
import { EVENTS } from './events.ts'
import { MOMENTS } from './moments.ts'
import { OPERATIONS } from './operations.ts'
import { POSITIONS } from './positions.ts'
import { DELAYS, REQUESTS } from './requests.ts'
import { ClientScene } from './scene.ts'
import { WATCHED } from './watched.ts'

/** All cases for clients. */
export const CLIENT_CASES: readonly Case<ClientScene>[] = [
  ...[REQUESTS, EVENTS, MOMENTS, OPERATIONS, POSITIONS, WATCHED].flatMap((tests) => casesOf(tests)),
  ...casesOf(DELAYS, true),
]

/** Gives each case a client, by the driver's command, and a server that the case scripts. */
export class ClientStage implements Stage<ClientScene> {
  readonly #command: string
  readonly #timeout: number
  /** The drivers that no case has now. */
  readonly #idle: Driver[] = []

  constructor(command: string, timeout: number) {
    this.#command = command
    this.#timeout = timeout
  }

  async open(): Promise<ClientScene> {
    const driver = this.#idle.pop() ?? new Driver(this.#command, this.#timeout)
    const scene = new ClientScene(driver, this.#timeout)
    await scene.listen()
    return scene
  }

  /** Gives the driver to the next case, or kills it after a failure, which may have left it in any state. */
  async close(scene: ClientScene, isGood: boolean): Promise<string> {
    const { driver } = scene
    const isClosed = await scene.close().then(
      () => true,
      () => false,
    )
    if (isGood && isClosed && !driver.isOver) {
      this.#idle.push(driver)
      return ''
    }
    driver.kill()
    return driver.log.trim()
  }

  async end(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((driver) => driver.end()))
  }
}
