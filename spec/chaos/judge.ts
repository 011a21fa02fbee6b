import { setTimeout as pause } from 'node:timers/promises'
import { shake } from '../support/http.ts'
import type { History } from './history.ts'
import type { Account } from './node.ts'
import type { CrowdReport } from './reports.ts'
import { CLIENTS_PER_USER, NODES, type Scene } from './scene.ts'
import { Truth } from './truth.ts'
import { passwordOf, USERS } from './world.ts'

/** How long all clients may take to be right again after a phase, on a busy machine, in milliseconds. */
const RIGHT_MS = 120_000
/** A node keeps the last session of a client for a minute, and replays for 15 s. */
const SETTLE_MS = 150_000
const GROWTH = 1.1
const MAX_FAULTS = 30

/** Looks at all that clients saw and nodes hold, and keeps a sentence of whatever should not have been. */
export class Judge {
  readonly faults: string[] = []
  sightings = 0
  /** Counts what the nodes' `onError` was told, by code. */
  readonly errors: Record<string, number> = {}
  readonly #history: History

  constructor(history: History) {
    this.#history = history
  }

  readonly take = ({ sightings, flaws }: CrowdReport): void => {
    this.sightings += sightings.length
    for (const sighting of sightings) this.#add(this.#history.judge(sighting))
    for (const flaw of flaws) this.#add(flaw)
  }

  /** Waits until every client shows what the stores have for it. Resolves to the milliseconds that it took. */
  async right(scene: Scene, when: string): Promise<number> {
    await scene.rest()
    const began = Date.now()
    const accounts = await this.#accounts(scene, 'look')
    const truth = await Truth.read(
      scene.stores,
      accounts.map(({ site }) => site),
    )
    if (truth.size < 100) this.#add(`the stores were nearly empty ${when}`)
    let wrong = await this.#wrong(scene, truth)
    while (wrong.length > 0 && Date.now() - began < RIGHT_MS) {
      await pause(200)
      wrong = await this.#wrong(scene, truth)
    }
    const took = Date.now() - began
    for (const sentence of wrong) this.#add(`${when}, after ${took} ms: ${sentence}`)
    await this.#refuses(scene, when)
    return took
  }

  /** Waits until nodes that nobody uses hold no more than before. Resolves to what the first node holds. */
  async memoryOf(scene: Scene, before?: readonly number[]): Promise<number[]> {
    const end = Date.now() + SETTLE_MS
    for (;;) {
      const accounts = await this.#accounts(scene, 'measure')
      const held = accounts.map(({ heap, buffers }) => heap + buffers)
      // A node that was replaced is compared with the one of the same place.
      const tooMuch = held.flatMap((bytes, index) => {
        const most = (before?.[index] ?? bytes) * GROWTH
        return bytes > most ? [`node ${index} holds ${bytes} bytes, and held ${before?.[index]} before`] : []
      })
      const left = accounts.flatMap(({ stats: { connections, buffered, views, replay } }, index) =>
        connections + buffered + views + replay.changes > 0
          ? [`node ${index} still has ${JSON.stringify({ connections, buffered, views, replay })}`]
          : [],
      )
      if (tooMuch.length + left.length === 0) return held
      if (Date.now() > end) {
        for (const sentence of [...tooMuch, ...left]) this.#add(sentence)
        return held
      }
      await pause(2_000)
    }
  }

  /** Adds what is known only at the end. */
  close(scene: Scene): void {
    const { logouts = 0 } = scene.visitors.counts
    if (logouts > scene.logouts * CLIENTS_PER_USER)
      this.#add(`${logouts} clients were refused, of ${scene.logouts} users who were logged out`)
    for (const fault of [...scene.faults, ...scene.cluster.faults]) this.#add(fault)
  }

  async #wrong(scene: Scene, truth: Truth): Promise<string[]> {
    const shown = await scene.visitors.models()
    const expected = USERS.length * CLIENTS_PER_USER
    if (shown.length !== expected) return [`${shown.length} clients are there of ${expected}`]
    return shown.flatMap(({ user, status, data }, index) => {
      const difference = status === 'ready' ? truth.differenceOf(user, data) : `its status is ${status}`
      return difference === undefined ? [] : [`client ${index} of ${user} is wrong: ${difference}`]
    })
  }

  /** Expects that no node takes a token of before a logout, and that each comes to take a new one. */
  async #refuses(scene: Scene, when: string): Promise<void> {
    const [user] = USERS
    const ended = scene.endedTokens()
    for (let index = 0; index < NODES; index++) {
      const url = scene.cluster.urlOf(index)
      for (const token of ended) {
        const answer = await statusOf(url, token)
        // A node that can't know it, as it can't read the decisions, says so.
        if (answer !== 401 && answer !== 503)
          this.#add(`${when}, node ${index} answered a token of before a logout with ${answer}`)
      }
      let answer: unknown = 0
      for (const end = Date.now() + RIGHT_MS; answer !== 200 && Date.now() < end; await pause(200))
        answer = await shake(url, { user, password: passwordOf(user) })
          .then(({ token }) => statusOf(url, token))
          .catch((error: unknown) => error)
      if (answer !== 200) this.#add(`${when}, node ${index} answered a new client with ${answer}`)
    }
  }

  async #accounts(scene: Scene, order: 'measure' | 'look'): Promise<Account[]> {
    const accounts: Account[] = []
    for (let index = 0; index < NODES; index++) accounts.push(await scene.cluster.measure(index, order))
    for (const [index, { errors, faults }] of accounts.entries()) {
      for (const [code, count] of Object.entries(errors)) this.errors[code] = (this.errors[code] ?? 0) + count
      for (const fault of faults) this.#add(`node ${index} reported ${fault}`)
    }
    return accounts
  }

  #add(fault: string | undefined): void {
    if (fault !== undefined && this.faults.length < MAX_FAULTS && !this.faults.includes(fault))
      this.faults.push(fault)
  }
}

async function statusOf(url: string, token: string): Promise<number> {
  const response = await fetch(`${url}/stream`, { headers: { Authorization: `Bearer ${token}` } })
  await response.body?.cancel()
  return response.status
}
