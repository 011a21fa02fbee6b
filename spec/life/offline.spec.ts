/*
 * How people meet a kept model: they open the page again, in the train, after a deploy, as another user of
 * the family's computer, in a second tab, on a full disk.
 */
import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import { eachContext } from '../support/life/browser.ts'
import { eachSite, type OfflineSite, type Visit } from '../support/life/offline.ts'
import { settles } from '../support/life/tab.ts'

const MANY = 100_000

describe('A page that keeps its model, in Chromium', function () {
  this.timeout(60_000)
  let site: OfflineSite
  let context: BrowserContext

  eachSite({ ann: 3, ben: 2 }, (own, its) => {
    site = own
    context = its
  })

  /** Opens a page, and waits until its model is kept. */
  async function kept(user: string): Promise<Visit> {
    const visit = await site.visit(context, user)
    await visit.has('ready')
    await visit.saved()
    return visit
  }

  it('shows the last model at once after a reload, and transfers only what has changed', async () => {
    const visit = await kept('ann')
    await site.notes.updateOne({ _id: 'ann1' }, { $set: { text: 'changed' } })
    await settles(() => visit.texts().then((texts) => texts[1]), 'changed', 'the change')
    await visit.page.goto('about:blank')
    await site.notes.updateOne({ _id: 'ann2' }, { $set: { text: 'changed meanwhile' } })
    await visit.page.goto(`${site.url}/?user=ann`)
    await visit.has('ready')
    expect((await visit.get('seen'))[0]).to.deep.equal(['stale', 3])
    await settles(() => visit.texts().then((texts) => texts[2]), 'changed meanwhile', 'the change')
    expect(await visit.names())
      .to.include('delta')
      .and.not.include.members(['payload'])
    expect(await visit.names()).not.to.include('reset')
    expect(await visit.get('errors')).to.deep.equal([])
  })

  it('shows the last model while the server is out of reach', async () => {
    const visit = await kept('ann')
    await context.route(/particle.(handshake|stream)/, (route) => route.abort())
    await visit.page.reload()
    await visit.has('stale')
    expect(await visit.texts()).to.have.length(3)
    await context.unroute(/particle.(handshake|stream)/)
    await visit.has('ready')
    expect(await visit.names()).not.to.include('payload')
  })

  it('shows nothing to another user, and nothing is left of the first one then', async () => {
    const ann = await kept('ann')
    await ann.page.close()
    const ben = await kept('ben')
    expect((await ben.get('seen')).every(([, notes]) => notes !== 3)).to.equal(true)
    expect(await ben.texts()).to.have.length(2)
    await ben.page.close()
    await context.route(/particle.(handshake|stream)/, (route) => route.abort())
    const again = await site.visit(context, 'ann')
    await settles(async () => (await again.header())?.content, undefined, 'an empty store')
    expect(await again.texts()).to.deep.equal([])
    expect(await again.status()).to.equal('connecting')
  })

  it('keeps nothing after the rights were revoked, and after forget()', async () => {
    const ann = await kept('ann')
    site.server.revoke((identity: { user: string }) => identity.user === 'ann')
    await ann.has('refused')
    await settles(async () => (await ann.header())?.owner, '', 'an empty store')
    const ben = await kept('ben')
    await ben.forget()
    expect(await ben.status()).to.equal('closed')
    expect(await ben.texts()).to.deep.equal([])
    expect(await ben.header())
      .to.include({ owner: '' })
      .and.not.have.property('content')
  })

  it('drops a model of an unknown version, and one that is damaged, and loads a new one', async () => {
    const visit = await kept('ann')
    const damage: ((visit: Visit) => Promise<void>)[] = [
      async () => await visit.put(0, { ...(await visit.header()), version: 99 }),
      async () => await visit.put((await visit.header())?.content?.chunks.notes?.[0] ?? -1, '[{"_id":'),
    ]
    for (const make of damage) {
      await visit.page.evaluate(() => (globalThis as unknown as { client: { close(): void } }).client.close())
      await settles(async () => await visit.status(), 'closed', 'the status')
      await make(visit)
      await visit.page.reload()
      await visit.has('ready')
      expect(await visit.texts()).to.have.length(3)
      expect((await visit.get('seen')).map(([status]) => status)).not.to.include('stale')
      expect(await visit.get('errors')).to.deep.equal([])
      await visit.saved()
    }
  })

  it('goes on without its store when the disk is full, and says so once', async () => {
    const visit = await kept('ann')
    // Stands for a full disk: Chromium doesn't apply the quota that a debugger sets.
    await visit.page.evaluate(() => {
      IDBObjectStore.prototype.put = () => {
        throw new DOMException('The disk is full.', 'QuotaExceededError')
      }
    })
    await site.fill('ann', 3000, 10)
    await settles(() => visit.get('errors'), ['STORE_FAILED'], 'the error', 20_000)
    await site.fill('ann', 1, 9000)
    await settles(async () => (await visit.texts()).length, 3004, 'the notes')
    expect(await visit.status()).to.equal('ready')
    // The earlier model is whole, and continues.
    await visit.page.reload()
    await visit.has('ready')
    expect(await visit.texts()).to.have.length(3004)
    expect((await visit.get('seen'))[0]).to.deep.equal(['stale', 3])
  })

  it('is right in two tabs, of which the second writes when the first is closed', async () => {
    const one = await kept('ann')
    const two = await site.visit(context, 'ann')
    await two.has('ready')
    const [writer] = [(await one.header())?.writer]
    await site.fill('ann', 5, 10)
    await settles(async () => (await two.texts()).length, 8, 'the notes')
    await two.page.waitForTimeout(1500)
    expect((await one.header())?.writer).to.equal(writer)
    await one.page.close()
    await site.fill('ann', 1, 20)
    await two.saved((header) => header?.writer !== writer && !!header?.content)
    await two.page.reload()
    await two.has('ready')
    expect((await two.get('seen'))[0]).to.deep.equal(['stale', 9])
    expect(await two.names()).not.to.include('payload')
  })

  it('keeps the rooms that it watches', async () => {
    await site.messages.insertOne({ _id: 1, room: 7, text: 'hello' })
    const visit = await kept('ann')
    const open = () =>
      visit.page.evaluate(() => {
        const { client } = globalThis as unknown as {
          client: { watch(source: string, params: object): { data: object[]; status: string } }
        }
        const room = client.watch('messages', { room: 7 })
        return [room.status, room.data.length]
      })
    await open()
    await visit.saved((header) => header?.content?.chunks['messages?{"room":7}'] !== undefined)
    await visit.page.reload()
    await settles(async () => (await visit.get('seen'))[0], ['stale', 3], 'the kept model')
    expect((await open())[1]).to.equal(1)
    await visit.has('ready')
    expect(await visit.names()).not.to.include('payload')
  })

  describe('with a back/forward cache', () => {
    // The whole Chromium alone has such a cache, and takes three times the CPU time.
    eachContext(
      (own) => {
        context = own
      },
      { kind: 'whole' },
    )

    it('may enter it, and is kept on after it', async () => {
      const visit = await kept('ann')
      await visit.page.evaluate(() =>
        addEventListener('pageshow', ({ persisted }) => Object.assign(globalThis, { persisted })),
      )
      await visit.page.goto(`${site.url}/other`)
      await visit.page.goBack({ waitUntil: 'commit' })
      const persisted = () => visit.page.evaluate(() => (globalThis as { persisted?: boolean }).persisted)
      await settles(persisted, true, 'the page from the cache')
      const before = (await visit.header())?.content?.position
      await site.fill('ann', 1, 30)
      await visit.saved((header) => header?.content?.position !== before)
    })
  })

  it(`opens ${MANY} documents in half a second, without a long task`, async function () {
    this.timeout(180_000)
    for (let from = 100; from < MANY; from += 10_000) await site.fill('ann', 10_000, from)
    const visit = await site.visit(context, 'ann')
    await visit.has('ready')
    await visit.saved((header) => (header?.content?.chunks.notes?.length ?? 0) > 100)
    const best = {
      opened: Number.POSITIVE_INFINITY,
      longest: Number.POSITIVE_INFINITY,
      saved: Number.POSITIVE_INFINITY,
    }
    for (let tries = 0; tries < 4; tries++) {
      const { writer } = (await visit.header()) ?? {}
      await visit.page.reload()
      await visit.has('ready')
      const [opened, longest] = [await visit.get('opened'), await visit.longestTask()]
      await visit.saved((header) => header?.writer !== writer)
      const saved = await visit.longestTask()
      console.log(`      ${[opened, longest, saved].map(Math.round).join(' ms, ')} ms`)
      best.opened = Math.min(best.opened, opened)
      best.longest = Math.min(best.longest, longest)
      best.saved = Math.min(best.saved, saved)
    }
    expect(best.opened).to.be.below(500)
    // Other processes of the machine make tasks longer, so the best of some tries counts.
    expect(best.longest).to.be.below(50)
    expect(best.saved).to.be.below(50)
    expect((await visit.get('wire')).length).to.be.below(20_000)
  })
})
