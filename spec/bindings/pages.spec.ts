import { expect } from 'chai'
import { settles } from '../support/life/tab.ts'
import { buildPage, FRAMEWORKS } from './site.ts'
import { FEW, ROWS, Visit } from './visit.ts'

/** What the pages of spec/bindings/apps note for the spec. */
interface Counts {
  rows: Record<string, number>
  torn: number
  /** The room, the status and the number of messages of each rendering of a room. */
  shown: [room: number, status: string, messages: number][]
  errors: string[]
}
interface Scope {
  counts: Counts
  setRoom(room: number | undefined): void
  setWhole(room: number | undefined): void
}

for (const framework of Object.keys(FRAMEWORKS)) {
  describe(`A page with particle/${framework}, in Chromium`, function () {
    this.timeout(60_000)
    const visit = new Visit(framework)
    const counts = () => visit.page.evaluate(() => (globalThis as unknown as Scope).counts)
    const setRoom = (room: number | undefined) =>
      visit.page.evaluate((next) => {
        const { counts, setRoom } = globalThis as unknown as Scope
        counts.shown.length = 0
        setRoom(next)
      }, room)
    const watchRequests = () => visit.site.requests.filter((each) => each.endsWith('/watch')).length

    it('renders the one row again that changed', async () => {
      await visit.open({ rows: ROWS })
      await visit.page.evaluate(() => {
        ;(globalThis as unknown as Scope).counts.rows = {}
      })
      for (let id = 0; id < 50; id++) {
        await visit.site.users.updateOne({ _id: id * 7 }, { $inc: { n: 1 } })
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      await visit.shows(`#users li:nth-child(${49 * 7 + 1})`, `User ${49 * 7} 1`)
      const { rows } = await counts()
      expect(rows).to.deep.equal(Object.fromEntries(Array.from({ length: 50 }, (_, id) => [id * 7, 1])))
      expect(await visit.text('#even')).to.equal(String(ROWS / 2))
      expect(visit.problems).to.deep.equal([])
    })

    it('switches rooms by the parameters, and never shows messages of another room', async () => {
      await visit.open()
      await visit.shows('h2', 'Room 1 ready')
      for (let step = 0; step < 30; step++) {
        await setRoom(1 + (step % 2))
        if (step % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      }
      await visit.shows('h2', 'Room 2 ready')
      const messages = (await visit.site.messages.find({ room: 2 }).toArray()).map((each) => each.text)
      await visit.shows('#messages li', messages.join('|'))
      expect((await counts()).torn).to.equal(0)
      await visit.site.messages.updateOne({ _id: 1 }, { $set: { text: 'Changed' } })
      await settles(async () => (await visit.text('#messages li')).includes('Changed'), true, 'the change')
      expect(visit.problems).to.deep.equal([])
    })

    it('shows a room at once that was closed a moment ago, without a request', async () => {
      await visit.open()
      await visit.shows('h2', 'Room 1 ready')
      const before = watchRequests()
      await setRoom(undefined)
      await visit.shows('h2', '')
      await setRoom(1)
      await visit.shows('h2', 'Room 1 ready')
      const { shown } = await counts()
      expect(shown[0]).to.deep.equal([1, 'ready', 10])
      expect(watchRequests()).to.equal(before)
    })

    it('shows why a room is refused, and the next room after it', async () => {
      await visit.open()
      await setRoom(3)
      await visit.shows('h2', 'Room 3 refused FORBIDDEN')
      expect(await visit.text('#messages li')).to.equal('')
      await setRoom(2)
      await visit.shows('h2', 'Room 2 ready')
      expect((await counts()).torn).to.equal(0)
    })

    it('shows the status of the connection', async () => {
      await visit.open()
      await visit.site.stop()
      await visit.shows('h1', 'reconnecting')
      expect(await visit.page.locator('#users li').count()).to.equal(FEW)
    })

    if (framework !== 'react') return

    it('works under StrictMode of a development build, which mounts each component twice', async () => {
      await visit.open({ code: await buildPage('react', 'development') })
      await visit.shows('h2', 'Room 1 ready')
      await setRoom(2)
      await visit.shows('h2', 'Room 2 ready')
      await setRoom(undefined)
      await setRoom(2)
      await visit.shows('h2', 'Room 2 ready')
      expect((await counts()).torn).to.equal(0)
      expect(visit.site.requests.filter((each) => each.endsWith('/stream'))).to.have.length(1)
      expect(visit.problems).to.deep.equal([])
    })

    it('suspends a component until its room is there, or goes to the error boundary', async () => {
      await visit.open()
      const setWhole = (room: number) =>
        visit.page.evaluate((next) => {
          const waits = document.querySelector('h1')?.parentElement as HTMLElement
          const seen: string[] = []
          Object.assign(globalThis, { seen })
          new MutationObserver(() => {
            const now = document.querySelector('#whole:not([style*="none"])')?.textContent ?? ''
            if (seen.at(-1) !== now) seen.push(now)
          }).observe(waits, { subtree: true, childList: true, characterData: true, attributes: true })
          ;(globalThis as unknown as Scope).setWhole(next)
        }, room)
      const seen = () => visit.page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen)
      await setWhole(2)
      await visit.shows('#whole', '10 messages')
      expect(await seen()).to.deep.equal(['waits', '10 messages'])
      await setWhole(3)
      await visit.shows('#whole', 'FORBIDDEN')
      await setWhole(1)
      await visit.shows('#whole', '10 messages')
      expect(await seen(), 'room 1 is there already').to.deep.equal(['10 messages'])
    })
  })
}
