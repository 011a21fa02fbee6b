/*
 * How people meet both: a help desk in some tabs of one window, which share a stream and keep their model.
 * They close a tab, reload the others, start the browser again, and log out in one of the tabs.
 */
import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import type { Client, Watch } from '../../lib/client/index.ts'
import { eachSite, type OfflineSite, type Visit } from '../support/life/offline.ts'
import { settles } from '../support/life/tab.ts'

describe('Tabs that share a stream and keep their model, in Chromium', function () {
  this.timeout(60_000)
  let site: OfflineSite
  let context: BrowserContext

  eachSite({ ann: 3 }, (own, its) => {
    site = own
    context = its
  })

  const open = async () => {
    const visit = await site.visit(context, 'ann', '&share')
    await visit.has('ready')
    return visit
  }
  const show = async (visits: readonly Visit[], count: number) => {
    for (const visit of visits) await settles(async () => (await visit.texts()).length, count, 'the notes')
  }
  const streams = (count: number) => settles(() => site.server.stats().connections, count, 'streams', 8000)
  /** Waits until the present model is in the store. */
  const saved = async (visit: Visit, notes: number) => {
    const idsOf = () =>
      visit.page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            const request = indexedDB.open('particle:notes', 1)
            request.onsuccess = () => {
              const all = request.result.transaction('model').objectStore('model').getAll()
              all.onsuccess = () => {
                request.result.close()
                const texts = all.result.filter((each) => typeof each === 'string')
                resolve(texts.flatMap((text) => JSON.parse(text)).length)
              }
            }
          }),
      )
    await settles(idsOf, notes, 'the kept notes', 15_000)
  }
  /** Checks that a tab has shown the kept model first, and that no stream has sent documents again. */
  const continued = async (visit: Visit, notes: number) => {
    expect((await visit.get('seen'))[0]).to.deep.equal(['stale', notes])
    expect(await visit.names()).not.to.include.members(['payload'])
    expect(await visit.names()).not.to.include.members(['reset'])
    expect(await visit.get('errors')).to.deep.equal([])
  }

  it('show the last model at once after a reload, over one stream that sends only what has changed', async () => {
    const tabs = [await open(), await open(), await open()]
    await site.fill('ann', 2, 10)
    await show(tabs, 5)
    await saved(tabs[0] as Visit, 5)
    for (const { page } of tabs) await page.goto('about:blank')
    await streams(0)
    await site.fill('ann', 1, 20)
    for (const { page } of tabs) await page.goto(`${site.url}/?user=ann&share`)
    for (const tab of tabs) await tab.has('ready')
    await show(tabs, 6)
    for (const tab of tabs) await continued(tab, 5)
    await streams(1)
  })

  it('begin with the kept model in a new tab while others are open', async () => {
    const first = await open()
    await saved(first, 3)
    const second = await open()
    await site.fill('ann', 1, 10)
    await show([first, second], 4)
    await continued(second, 3)
    await streams(1)
  })

  it('go on, and keep the model, when the tab is closed that led and wrote', async () => {
    const [leader, second, third] = [await open(), await open(), await open()]
    await saved(leader, 3)
    const writer = (await leader.header())?.writer
    await leader.page.close()
    await site.fill('ann', 2, 10)
    await show([second, third], 5)
    await second.saved((header) => header?.writer !== writer && !!header?.content)
    await saved(second, 5)
    await streams(1)
    // The next visit continues from what a tab has kept that got its events from another one.
    await third.page.close()
    await second.page.reload()
    await second.has('ready')
    await continued(second, 5)
    await show([second], 5)
  })

  it('show their own rooms after a reload, though one of them has kept the model', async () => {
    await site.messages.insertMany([
      { _id: 1, room: 7, text: 'seven' },
      { _id: 2, room: 8, text: 'eight' },
    ])
    const watch = ({ page }: Visit, room: number) =>
      page.evaluate((number) => {
        const { client } = globalThis as unknown as { client: Client }
        Object.assign(globalThis, { room: client.watch('messages', { room: number }) })
      }, room)
    const has = ({ page }: Visit, ids: number[]) =>
      settles(
        () =>
          page.evaluate(() => {
            const { room } = globalThis as unknown as { room: Watch }
            return [room.status, ...room.getSnapshot().map(({ _id }) => Number(_id))]
          }),
        ['ready', ...ids],
        'the room',
      )
    const [first, second] = [await open(), await open()]
    await watch(first, 7)
    await watch(second, 8)
    await has(first, [1])
    await has(second, [2])
    await first.saved((header) => header?.content?.chunks['messages?{"room":7}'] !== undefined)
    for (const { page } of [first, second]) await page.goto('about:blank')
    await streams(0)
    await site.messages.insertOne({ _id: 3, room: 8, text: 'eight again' })
    // The tab comes first that has not kept the model.
    await second.page.goto(`${site.url}/?user=ann&share`)
    await watch(second, 8)
    await first.page.goto(`${site.url}/?user=ann&share`)
    await watch(first, 7)
    await has(second, [2, 3])
    await has(first, [1])
    await site.messages.insertOne({ _id: 4, room: 7, text: 'seven again' })
    await has(first, [1, 4])
    await has(second, [2, 3])
    for (const tab of [first, second]) {
      expect((await tab.get('seen'))[0]).to.deep.equal(['stale', 3])
      expect(await tab.get('errors')).to.deep.equal([])
    }
    await streams(1)
  })

  it('show and keep nothing after the rights were revoked, or the user has logged out in a tab', async () => {
    const tabs = [await open(), await open()]
    const [first, second] = tabs as [Visit, Visit]
    await saved(first, 3)
    site.server.revoke((identity: { user: string }) => identity.user === 'ann')
    for (const tab of tabs) {
      await tab.has('refused')
      await show([tab], 0)
    }
    await settles(async () => (await first.header())?.owner, '', 'an empty store')
    const again = [await open(), await open()]
    await saved(again[0] as Visit, 3)
    await again[1]?.forget()
    await settles(async () => (await second.header())?.owner, '', 'an empty store')
    await site.fill('ann', 1, 10)
    await show([again[0] as Visit], 4)
    // The other tab is logged in as before, and keeps its model no more.
    await again[0]?.page.reload()
    await again[0]?.has('ready')
    expect((await again[0]?.get('seen'))?.map(([status]) => status)).not.to.include('stale')
  })
})
