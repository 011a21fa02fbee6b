import { expect } from 'chai'
import {
  type BroadcastGroup,
  BroadcastGroups,
  type Member,
} from '../../../lib/server/delivery/broadcast-group.ts'
import { Flusher } from '../../../lib/server/delivery/flusher.ts'
import { IdLines } from '../../../lib/server/delivery/id-lines.ts'
import { WriteQueue } from '../../../lib/server/delivery/write-queue.ts'
import { Frame } from '../../../lib/server/feed/frame.ts'
import type { Entry } from '../../../lib/server/feed/log.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import type { View } from '../../../lib/server/view/view.ts'
import type { Receiver } from '../../../lib/server/view/view-spec.ts'
import { PLAIN } from '../../support/positions.ts'

/** As much of a view as a group knows of. */
class Shown {
  readonly receivers = new Set<Receiver>()

  get view(): View {
    return this as unknown as View
  }
  show(point: string): void {
    const frame = new Frame('users', '', [{ operation: 'noop', id: point, path: 'a' }])
    for (const receiver of this.receivers) receiver.deliver(this.view, { point } as Entry, frame)
  }
}

class Client implements Member {
  readonly got: string[] = []
  readonly buffers: Buffer[] = []
  ready = true
  group: BroadcastGroup | undefined
  readonly #groups: BroadcastGroups
  readonly rights: string
  readonly views: readonly View[]
  readonly queue = new WriteQueue(
    {
      write: (bytes) => {
        this.buffers.push(bytes)
        this.got.push(...[...bytes.toString().matchAll(/^id: (.*)$/gm)].map(([, id]) => `together ${id}`))
        return true
      },
      buffered: () => 0,
      onDrain: () => {},
      end: () => {},
    },
    new Flusher(),
  )

  constructor(groups: BroadcastGroups, views: readonly Shown[], rights = 'r') {
    this.rights = rights
    this.#groups = groups
    this.views = views.map(({ view }) => view)
    for (const view of views) view.receivers.add(this)
    groups.join(this)
  }
  get isJoined(): boolean {
    return this.group !== undefined
  }
  get canJoin(): boolean {
    return this.ready && !this.isJoined
  }
  joinAgain(): void {
    this.#groups.join(this)
  }
  leave(): BroadcastGroup | undefined {
    return this.#groups.leave(this)
  }
  deliver(_view: View, entry: Entry): void {
    this.got.push(`alone ${entry.point}`)
  }
}

describe('server/group', () => {
  const setUp = () => {
    const flusher = new Flusher()
    const view = new Shown()
    const groups = new BroadcastGroups(flusher, new IdLines(PLAIN))
    return {
      view,
      groups,
      clientOf: (rights?: string, views = [view]) => new Client(groups, views, rights),
    }
  }

  it('gathers what a turn brings once for all who have the same rights, and writes the same bytes to each', async () => {
    const { view, clientOf } = setUp()
    const clients = [clientOf(), clientOf(), clientOf()]
    await yieldToEventLoop()
    expect(view.receivers.size).to.equal(1)
    view.show('1')
    view.show('2')
    await yieldToEventLoop()
    for (const client of clients) {
      expect(client.got).to.deep.equal(['together 2:r'])
      expect(client.buffers).to.deep.equal(clients[0]?.buffers)
      expect(client.buffers[0]).to.equal(clients[0]?.buffers[0])
    }
  })

  it('keeps those of other rights apart', async () => {
    const { view, clientOf } = setUp()
    const clients = [clientOf('r'), clientOf('s'), clientOf('r'), clientOf('s')]
    await yieldToEventLoop()
    view.show('1')
    await yieldToEventLoop()
    expect(clients.map(({ got }) => got.join())).to.deep.equal(
      ['r', 's', 'r', 's'].map((rights) => `together 1:${rights}`),
    )
  })

  it('takes nobody in who has other views, whatever their rights are called', async () => {
    const { clientOf } = setUp()
    const clients = [clientOf(), clientOf('r', [new Shown()]), clientOf()]
    await yieldToEventLoop()
    expect(clients.map(({ isJoined }) => isJoined)).to.deep.equal([true, false, true])
  })

  it('has no group for the only one with its views, until a second one comes', async () => {
    const { view, clientOf } = setUp()
    const first = clientOf()
    await yieldToEventLoop()
    expect([first.isJoined, ...view.receivers]).to.deep.equal([false, first])
    // One with an event of its own waits again, as a member does.
    first.leave()
    await yieldToEventLoop()
    const second = clientOf()
    await yieldToEventLoop()
    expect([first.isJoined, second.isJoined, view.receivers.size]).to.deep.equal([true, true, 1])
  })

  it('pairs nobody with one that has ended, or is not fit for it', async () => {
    const { clientOf } = setUp()
    const [gone, slow] = [clientOf('r'), clientOf('s')]
    await yieldToEventLoop()
    gone.ready = false
    gone.leave()
    slow.ready = false
    const later = [clientOf('r'), clientOf('s')]
    await yieldToEventLoop()
    expect(later.map(({ isJoined }) => isJoined)).to.deep.equal([false, false])
    slow.ready = true
    slow.joinAgain()
    await yieldToEventLoop()
    expect([slow.isJoined, ...later.map(({ isJoined }) => isJoined)]).to.deep.equal([true, false, true])
  })

  it('takes nobody in who is not fit for it by the end of the turn', async () => {
    const { view, clientOf } = setUp()
    const client = clientOf()
    client.ready = false
    await yieldToEventLoop()
    view.show('1')
    expect([client.isJoined, client.got]).to.deep.equal([false, ['alone 1']])
  })

  it('gives nobody what was gathered before it came', async () => {
    const { view, groups, clientOf } = setUp()
    const [first] = [clientOf(), clientOf()]
    await yieldToEventLoop()
    view.show('1')
    const late = clientOf()
    late.got.push('came')
    await yieldToEventLoop()
    view.show('2')
    await yieldToEventLoop()
    expect(first.got).to.deep.equal(['together 1:r', 'together 2:r'])
    expect(late.got).to.deep.equal(['came', 'together 2:r'])
    expect(groups).to.be.instanceOf(BroadcastGroups)
  })

  it('tells the changes of one turn in one event, under the last position', async () => {
    const { view, clientOf } = setUp()
    const [client] = [clientOf(), clientOf()]
    await yieldToEventLoop()
    for (const point of ['1', '2', '3']) view.show(point)
    await yieldToEventLoop()
    expect(client.got).to.deep.equal(['together 3:r'])
    expect(client.buffers.join('').match(/\["noop","\d"/g)).to.have.length(3)
  })

  it('lets one go with what waits, and takes it back in a later turn', async () => {
    const { view, clientOf } = setUp()
    const [stays, goes] = [clientOf(), clientOf()]
    await yieldToEventLoop()
    view.show('1')
    const left = goes.leave()
    left?.outbox.settle()
    expect(left?.outbox.queue.pending.map(String).join('')).to.contain('id: 1:r')
    view.show('2')
    expect([goes.leave(), goes.got]).to.deep.equal([undefined, ['alone 2']])
    await yieldToEventLoop()
    expect(goes.isJoined).to.equal(true)
    view.show('3')
    await yieldToEventLoop()
    expect(goes.got).to.deep.equal(['alone 2', 'together 3:r'])
    expect(stays.got).to.deep.equal(['together 1:r', 'together 2:r', 'together 3:r'])
  })

  it('leaves nothing in the views when the last one has left', async () => {
    const { view, clientOf } = setUp()
    const clients = [clientOf(), clientOf()]
    await yieldToEventLoop()
    for (const client of clients) {
      client.ready = false
      client.leave()
      view.receivers.delete(client)
    }
    await yieldToEventLoop()
    expect(view.receivers.size).to.equal(0)
  })
})
