import type { Case } from '../case.ts'
import type { Stage } from '../runner.ts'
import { Drivers } from './driver.ts'
import { EVENTS } from './events.ts'
import { MOMENTS } from './moments.ts'
import { OPERATIONS } from './operations.ts'
import { POSITIONS } from './positions.ts'
import { REQUESTS } from './requests.ts'
import { ClientScene } from './scene.ts'
import { WATCHED } from './watched.ts'

/** All cases for clients. */
export const CLIENT_CASES: readonly Case<ClientScene>[] = [
  ...REQUESTS,
  ...EVENTS,
  ...MOMENTS,
  ...OPERATIONS,
  ...POSITIONS,
  ...WATCHED,
]

/** Gives each case a client, by the driver's command, and a server that the case scripts. */
export class ClientStage implements Stage<ClientScene> {
  readonly #drivers: Drivers
  readonly #timeout: number

  constructor(command: string, timeout: number) {
    this.#drivers = new Drivers(command, timeout)
    this.#timeout = timeout
  }

  async open(): Promise<ClientScene> {
    const scene = new ClientScene(this.#drivers.take(), this.#timeout)
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
    if (isGood && isClosed) {
      this.#drivers.give(driver)
      return ''
    }
    driver.kill()
    return driver.log.trim()
  }

  async end(): Promise<void> {
    await this.#drivers.end()
  }
}
