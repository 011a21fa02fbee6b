import { toJson } from '../../model/json.ts'
import type { Admissions } from '../auth/admission.ts'
import type { Admitted } from '../auth/admitted.ts'
import { checkReceiver, type Receiver } from '../delivery/receiver.ts'
import { ReceiverSink } from '../delivery/sink.ts'
import type { Registration } from './opener.ts'

/** Stands for the registration of a client that has gone, or was refused. */
const GONE: Registration = Object.assign(() => {}, { reached: () => {}, watch: async () => [] })

/** Connects clients of this process. */
export class Registrations {
  readonly #admissions: Admissions
  readonly #onError: (error: Error) => void
  readonly #refuseWhenFull: () => void
  readonly #open: (admitted: Admitted, sink: ReceiverSink) => Registration | undefined

  /** @param refuseWhenFull throws while the server is full or closing */
  constructor(
    admissions: Admissions,
    onError: (error: Error) => void,
    refuseWhenFull: () => void,
    open: (admitted: Admitted, sink: ReceiverSink) => Registration | undefined,
  ) {
    this.#admissions = admissions
    this.#onError = onError
    this.#refuseWhenFull = refuseWhenFull
    this.#open = open
  }

  /** Connects a client: see `Server.register`. */
  async register(
    identity: unknown,
    receiver: Receiver,
    done?: (error?: Error) => void,
  ): Promise<Registration> {
    checkReceiver(receiver, done)
    try {
      this.#refuseWhenFull()
      const admission = await this.#admissions.identify(toJson(identity ?? null), undefined)
      const sink = new ReceiverSink(receiver, this.#onError)
      const stop = await this.#admissions.open(admission, false, (admitted) =>
        this.#open({ ...admitted, renewed: false }, sink),
      )
      done?.()
      return stop ?? GONE
    } catch (error) {
      if (!done) throw error
      done(error as Error)
      return GONE
    }
  }
}
