import { ParticleError } from '../../errors.ts'
import type { ResolvedLimits } from '../options/limits.ts'
import type { Faults } from '../support/faults.ts'
import { type Excess, Quota } from '../support/quota.ts'
import { BURST_SECONDS, Rate } from '../support/rate.ts'

/** Limits the renewals of one session at the same time: one that is answered, and one that came after it. */
const RENEWALS_PER_SESSION = 2

type Bounded = 'handshakesPerSecond' | 'handshakesWaiting' | 'streams'

/** Names what is counted: handshakes, or requests about open streams. */
type Kind = 'handshakes' | 'requests'

const CODE = { handshakes: 'TOO_MANY_HANDSHAKES', requests: 'TOO_MANY_REQUESTS' } as const

/** Names the option of a bound. */
const OPTION: Record<Bounded, Record<Excess, string>> = {
  handshakesPerSecond: {
    total: 'limits.handshakesPerSecond',
    each: 'limits.handshakesPerSecondPerAddress',
  },
  handshakesWaiting: { total: 'limits.handshakesWaiting', each: 'limits.handshakesWaitingPerAddress' },
  streams: { total: 'limits.streamsPerAddress', each: 'limits.streamsPerAddress' },
}

/** Counts handshakes of one kind. */
interface Handshakes {
  readonly rate: Rate
  readonly waiting: Quota
}

/**
 * Limits the requests of strangers: handshakes per second, waiting handshakes, and streams. Renewals of
 * sessions that are open on this server are counted separately, so that strangers can't turn away the clients
 * of open streams. Lookups that the server starts by itself (refreshes, dependencies) aren't counted.
 */
export class AdmissionControl {
  readonly #limits: ResolvedLimits
  readonly #faults: Faults
  readonly #strangers: Handshakes
  readonly #renewals: Handshakes
  /** Requests about open streams, which have the same bounds as handshakes and a count of their own. */
  readonly #requests: Handshakes
  readonly #bySession = new Quota(Number.POSITIVE_INFINITY, RENEWALS_PER_SESSION)
  readonly #streams: Quota

  constructor(limits: ResolvedLimits, maxConnections: number, faults: Faults) {
    this.#limits = limits
    this.#faults = faults
    const handshakes = (): Handshakes => ({
      rate: new Rate(limits.handshakesPerSecond, limits.handshakesPerSecondPerAddress),
      waiting: new Quota(
        Math.min(limits.handshakesWaiting, maxConnections),
        limits.handshakesWaitingPerAddress,
      ),
    })
    this.#strangers = handshakes()
    this.#renewals = handshakes()
    this.#requests = handshakes()
    this.#streams = new Quota(Number.POSITIVE_INFINITY, limits.streamsPerAddress)
  }

  /**
   * Counts a handshake until it is answered.
   *
   * @param session the handshake's session, if one of its streams is open here
   * @returns a function to call after the answer
   * @throws ParticleError `TOO_MANY_HANDSHAKES`
   */
  handshake(address: string | undefined, session?: string): () => void {
    if (session === undefined) return this.#wait(this.#strangers, address)
    // Checks the session first. A session over its limit takes no place that other clients of its address
    // need.
    if (this.#bySession.take(session)) throw this.#excessOfSession()
    try {
      const answered = this.#wait(this.#renewals, address)
      return () => {
        answered()
        this.#bySession.giveBack(session)
      }
    } catch (error) {
      this.#bySession.giveBack(session)
      throw error
    }
  }

  /**
   * Counts a request about an open stream until the request is answered.
   * @returns a function to be called when it is answered
   * @throws ParticleError `TOO_MANY_REQUESTS`
   */
  request(address: string | undefined): () => void {
    return this.#wait(this.#requests, address, 'requests')
  }

  #wait({ rate, waiting }: Handshakes, address: string | undefined, kind: Kind = 'handshakes'): () => void {
    const tooMany = waiting.take(address)
    if (tooMany) throw this.#excess('handshakesWaiting', tooMany, address, kind)
    const tooFast = rate.take(address)
    if (!tooFast) return () => waiting.giveBack(address)
    waiting.giveBack(address)
    throw this.#excess('handshakesPerSecond', tooFast, address, kind)
  }

  /**
   * Counts a stream from its request until {@link AdmissionControl.streamEnded}.
   *
   * @throws ParticleError `TOO_MANY_STREAMS`
   */
  stream(address: string | undefined): void {
    const excess = this.#streams.take(address)
    if (excess) throw this.#excess('streams', excess, address)
  }

  /** Stops counting a stream that has ended or was refused. */
  streamEnded(address: string | undefined): void {
    this.#streams.giveBack(address)
  }

  #excessOfSession(): ParticleError {
    const code = 'TOO_MANY_HANDSHAKES'
    const what = `A session asks for more than ${RENEWALS_PER_SESSION} handshakes that wait at the same time`
    const mend = 'A client must await its handshake before the next one'
    this.#faults.report(new ParticleError(code, `${what}: refused for now. ${mend}`))
    return new ParticleError(code, ANSWER.handshakesWaiting)
  }

  #excess(
    bounded: Bounded,
    excess: Excess,
    address: string | undefined,
    kind: Kind = 'handshakes',
  ): ParticleError {
    const option = OPTION[bounded][excess]
    const name = option.replace('limits.', '') as keyof ResolvedLimits
    const most = this.#limits[name]
    const code = bounded === 'streams' ? 'TOO_MANY_STREAMS' : CODE[kind]
    const what = {
      handshakesPerSecond: `more than ${most} ${kind} a second, and ${BURST_SECONDS} s' worth at once`,
      handshakesWaiting: `more than ${most} ${kind} that wait at the same time`,
      streams: `more than ${most} streams`,
    }[bounded]
    const who = excess === 'each' ? `The address ${address} asks for` : 'Clients ask for'
    const mend =
      excess === 'each'
        ? `For a proxy's address, set Express' "trust proxy"; if many users share it, raise ${option}`
        : `Raise ${option} for legitimate clients`
    this.#faults.report(new ParticleError(code, `${who} ${what}: refused for now. ${mend}`))
    return new ParticleError(code, ANSWER[bounded].replace('handshakes', kind))
  }
}

const ANSWER: Record<Bounded, string> = {
  handshakesPerSecond: 'Too many handshakes came at once; try again later',
  handshakesWaiting: 'Too many handshakes wait at once; try again later',
  streams: 'Too many streams are open from this address; try again later',
}
