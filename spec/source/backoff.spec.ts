import { expect } from 'chai'
import { Backoff, pause, persist } from '../../lib/source/backoff.ts'

describe('source/backoff', () => {
  const { setTimeout: original } = globalThis
  /** How long each timer was to run, and whether it kept the process alive. */
  let timers: { ms: number; kept: boolean }[]

  beforeEach(() => {
    timers = []
    globalThis.setTimeout = ((run: () => void, ms: number) => {
      const timer = original(run, 0)
      timers.push({
        ms,
        get kept() {
          return timer.hasRef()
        },
      })
      return timer
    }) as typeof setTimeout
  })
  afterEach(() => {
    globalThis.setTimeout = original
  })

  /** Timers that keep nothing alive run only while something else does. */
  async function alive(work: Promise<unknown>): Promise<void> {
    const keep = setInterval(() => {}, 1000)
    await work.finally(() => clearInterval(keep))
  }

  const pauses = () => timers.map(({ ms }) => ms)

  it('doubles its pauses from 0.5 s up to 30 s, and begins anew after a success', async () => {
    const backoff = new Backoff()
    for (let count = 0; count < 8; count++) await alive(backoff.wait())
    expect(pauses()).to.deep.equal([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    backoff.succeeded()
    await alive(backoff.wait())
    expect(pauses().at(-1)).to.equal(500)
  })

  it('lets what can be mended at once be done at once, but not twice in a row', async () => {
    const backoff = new Backoff()
    await backoff.waitAgain()
    expect(pauses()).to.deep.equal([])
    await alive(backoff.waitAgain())
    await alive(backoff.waitAgain())
    expect(pauses()).to.deep.equal([1000, 2000])
    backoff.succeeded()
    await backoff.waitAgain()
    expect(pauses()).to.have.length(2)
  })

  it('tries until it succeeds, and tells of each failure', async () => {
    const told: unknown[] = []
    let tries = 0
    const attempt = async () => {
      if (++tries < 3) throw new Error(`try ${tries}`)
      return 'done'
    }
    const trying = persist(
      attempt,
      () => false,
      (error) => told.push((error as Error).message),
    )
    await alive(trying)
    expect([await trying, told, pauses()]).to.deep.equal(['done', ['try 1', 'try 2'], [500, 1000]])
  })

  it('tries no more where that cannot help', async () => {
    const hopeless = new Error('no such database')
    const told: unknown[] = []
    const failure = await persist(
      async () => {
        throw hopeless
      },
      (error) => error === hopeless,
      (error) => told.push(error),
    ).catch((error: unknown) => error)
    expect([failure, told, pauses()]).to.deep.equal([hopeless, [], []])
  })

  it('gives up a try, and a wait between two, when its signal is aborted', async () => {
    globalThis.setTimeout = original
    const reason = new Error('nobody waits')
    const hanging = new Promise<never>(() => {})
    const failing = async () => {
      throw new Error('down')
    }
    for (const attempt of [() => hanging, failing]) {
      const closing = new AbortController()
      const told: unknown[] = []
      const trying = persist(
        attempt,
        () => false,
        (error) => told.push(error),
        closing.signal,
      ).catch((error: unknown) => error)
      original(() => closing.abort(reason), 10)
      expect(await trying).to.equal(reason)
      expect(told).to.have.length(attempt === failing ? 1 : 0)
    }
  })

  it('keeps no process alive', async () => {
    const waiting = pause(10)
    expect(timers.map(({ kept }) => kept)).to.deep.equal([false])
    await alive(waiting)
  })

  it('ends a wait when its signal is aborted, and begins none afterwards', async () => {
    globalThis.setTimeout = original
    const closing = new AbortController()
    const backoff = new Backoff(closing.signal)
    const began = performance.now()
    const waiting = Promise.all([backoff.wait(), backoff.wait(), pause(20_000, closing.signal)])
    original(() => closing.abort(), 10)
    await waiting
    await backoff.wait()
    expect(performance.now() - began).to.be.lessThan(400)
  })
})
