import { check, checkEqual, type Tests } from '../case.ts'
import { checkRefusal, type ServerScene } from './scene.ts'

/** The cases about rights. */
export const RIGHTS: Tests<ServerScene> = {
  async 'A1 a revocation ends the streams and the tokens that were given before, and nothing after'(scene) {
    const stream = await scene.connect()
    await scene.revoke()
    await stream.next('revoked')
    await stream.until(() => stream.isEnded, 'its end')
    const headers = { Authorization: `Bearer ${scene.token}` }
    checkRefusal(await scene.ask(scene.route('stream'), { headers }), 401)
    await scene.connect()
  },
  async 'A2 new rights bring what is gained and take what is lost, on the open stream, with a new token'(
    scene,
  ) {
    const other = `${scene.user}x`
    await scene.writeTwo(other)
    const stream = await scene.connect()
    await scene.rights([other])
    await stream.becomes('tasks', [{ _id: scene.id(2), title: 'theirs' }])
    await stream.next('session')
    await scene.rights([scene.user, other])
    await stream.becomes('tasks', [
      { _id: scene.id(1), title: 'mine' },
      { _id: scene.id(2), title: 'theirs' },
    ])
    const unchanged = stream.of('payload').filter(({ data }) => data.root === 'accounts')
    check(unchanged.length <= 1, 'a root whose view is the same is not sent again')
  },
  async 'A2 nothing of an old view is sent after the lookup has answered'(scene) {
    const stream = await scene.connect()
    await scene.rights([`${scene.user}x`])
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: 'too late' }) })
    await scene.write({ collection: 'tasks', insert: { ...scene.task(2), owner: `${scene.user}x` } })
    await stream.becomes('tasks', [{ _id: scene.id(2) }])
    check(!stream.text.includes('too late'), 'the stream has no document that the user may not see any more')
  },
  async 'A3 an older token does not bring old rights back'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: 'mine' }) })
    await scene.login()
    const { token } = scene
    await scene.rights([`${scene.user}x`])
    const stream = await scene.ready({ token })
    stream.shows('tasks', [])
  },
  async 'A4 a renewal that finds other rights goes on under them'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1, { title: 'mine' }) })
    const stream = await scene.connect()
    await scene.rights([`${scene.user}x`], { refresh: false })
    const { live } = await scene.login({ previous: scene.token })
    checkEqual(live, true, 'live')
    await stream.becomes('tasks', [])
  },
}
