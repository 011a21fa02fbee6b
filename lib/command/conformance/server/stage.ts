import { type Case, casesOf } from '../case.ts'
import type { Stage } from '../runner.ts'
import { EVENTS } from './events.ts'
import { POSITIONS } from './positions.ts'
import { REQUESTS } from './requests.ts'
import { RIGHTS } from './rights.ts'
import { ServerScene, type Target } from './scene.ts'
import { SLOW } from './slow.ts'
import { WATCHED } from './watched.ts'

/** All cases for servers. */
export const SERVER_CASES: readonly Case<ServerScene>[] = [
  ...[REQUESTS, EVENTS, POSITIONS, RIGHTS, WATCHED].flatMap((tests) => casesOf(tests)),
  ...casesOf(SLOW, true),
]

/** Gives each case the server under test, as a user of its own. */
export function serverStage(target: Target): Stage<ServerScene> {
  return {
    open: async () => new ServerScene(target),
    close: async (scene) => {
      scene.close()
      return ''
    },
  }
}
