import { expect } from 'chai'
import { Client } from '../../lib/client/client.ts'
import { watchPage } from '../../lib/client/page.ts'
import { FakeClock } from './fakes.ts'

/** A window with a document, whose listeners can be counted. */
class FakePage extends EventTarget {
  listeners = 0
  readonly document: FakeDocument

  constructor() {
    super()
    this.document = new FakeDocument(this)
  }

  override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
    this.listeners++
    super.addEventListener(...args)
  }

  override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>): void {
    this.listeners--
    super.removeEventListener(...args)
  }
}

class FakeDocument extends EventTarget {
  visibilityState = 'visible'
  readonly #page: FakePage

  constructor(page: FakePage) {
    super()
    this.#page = page
  }

  turn(visibilityState: 'visible' | 'hidden'): void {
    this.visibilityState = visibilityState
    this.dispatchEvent(new Event('visibilitychange'))
  }

  override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
    this.#page.listeners++
    super.addEventListener(...args)
  }

  override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>): void {
    this.#page.listeners--
    super.removeEventListener(...args)
  }
}

function watch() {
  const page = new FakePage()
  const clock = new FakeClock()
  const heard: string[] = []
  const listener = {
    hide: () => heard.push('hide'),
    show: () => heard.push('show'),
    doubt: () => heard.push('doubt'),
  }
  return { page, clock, heard, end: watchPage(listener, clock, page) }
}

describe('the life of a page', () => {
  it('hides with the page and when it is frozen, and shows it again', () => {
    const { page, heard, end } = watch()
    page.dispatchEvent(new Event('pagehide'))
    page.dispatchEvent(new Event('pageshow'))
    page.document.dispatchEvent(new Event('freeze'))
    page.document.dispatchEvent(new Event('resume'))
    expect(heard).to.deep.equal(['hide', 'show', 'hide', 'show'])
    end()
  })

  it('doubts the stream when the browser comes online', () => {
    const { page, heard, end } = watch()
    page.dispatchEvent(new Event('online'))
    expect(heard).to.deep.equal(['doubt'])
    end()
  })

  it('doubts the stream when the page is seen after 30 s, not after a shorter time', () => {
    const { page, clock, heard, end } = watch()
    for (const [hidden, doubts] of [
      [29_000, 0],
      [30_000, 1],
    ] as const) {
      page.document.turn('hidden')
      clock.time += hidden
      page.document.turn('visible')
      expect(heard).to.have.length(doubts)
    }
    end()
  })

  it('doubts the stream when the machine has slept', async () => {
    const { clock, heard, end } = watch()
    for (let seconds = 0; seconds < 60; seconds++) await clock.pass(1000)
    expect(heard).to.deep.equal([])
    await clock.pass(3600_000)
    expect(heard).to.deep.equal(['doubt'])
    for (let seconds = 0; seconds < 60; seconds++) await clock.pass(1000)
    expect(heard).to.deep.equal(['doubt'])
    end()
  })

  it('takes the late timers of a page that is hidden for no sleep', async () => {
    const { page, clock, heard, end } = watch()
    page.document.turn('hidden')
    for (let minutes = 0; minutes < 5; minutes++) await clock.pass(60_000)
    expect(heard).to.deep.equal([])
    page.document.turn('visible')
    expect(heard).to.deep.equal(['doubt'])
    end()
  })

  it('does not doubt the stream of a page that comes from the back/forward cache: it is a new one', async () => {
    const { page, clock, heard, end } = watch()
    page.dispatchEvent(new Event('pagehide'))
    page.document.turn('hidden')
    await clock.pass(3600_000)
    page.document.visibilityState = 'visible'
    page.dispatchEvent(new Event('pageshow'))
    page.document.dispatchEvent(new Event('visibilitychange'))
    await clock.pass(3000)
    expect(heard).to.deep.equal(['hide', 'show'])
    end()
  })

  it('keeps neither listeners nor timers after its end', () => {
    const { page, clock, end } = watch()
    expect(page.listeners).to.equal(6)
    end()
    expect(page.listeners).to.equal(0)
    expect(clock.timers.size).to.equal(0)
  })

  it('is over when the client is closed or refused', async () => {
    const page = new FakePage()
    const options = { onRegister: () => Promise.reject(Object.assign(new Error(), { code: 'UNAUTHORIZED' })) }
    const refused = new Client(options, { page })
    await refused.ready().catch(() => {})
    expect(refused.status).to.equal('refused')
    expect(page.listeners).to.equal(0)
    for (let n = 0; n < 3; n++) {
      const client = new Client(options, { page })
      expect(page.listeners).to.equal(6)
      client.close()
    }
    expect(page.listeners).to.equal(0)
  })

  it('is nothing where there is no page, and part of it in a worker', () => {
    const clock = new FakeClock()
    const listener = { hide: () => {}, show: () => {}, doubt: () => {} }
    watchPage(listener, clock, {})()
    expect(clock.timers.size).to.equal(0)
    watchPage(listener, clock, new EventTarget())()
    expect(clock.timers.size).to.equal(0)
  })
})
