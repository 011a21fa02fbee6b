import { ParticleError } from '../../errors.ts'
import type { Admissions } from '../auth/admission.ts'
import type { AdmissionControl } from '../auth/admission-control.ts'
import type { Opener, StreamRequest } from './opener.ts'
import type { Streams } from './streams.ts'

/** The parts of the server that decide whether a stream opens. */
interface DoorwayParts {
  admissions: Admissions
  control: AdmissionControl
  streams: Streams
  opener: Opener
  maxConnections: number
  /** Waits until this node knows the decisions of the others. */
  rights: { follow(): Promise<void> }
  shutdown: { refuse(): void }
  /** Called after a stream was opened. */
  onOpened: () => void
}

/** Opens streams while the server has room. */
export class Doorway {
  readonly #parts: DoorwayParts

  constructor(parts: DoorwayParts) {
    this.#parts = parts
  }

  /** @throws ParticleError `UNAVAILABLE` while the server is full or closing */
  refuseWhenFull(): void {
    const { shutdown, streams, maxConnections } = this.#parts
    shutdown.refuse()
    if (streams.open.size >= maxConnections) throw new ParticleError('UNAVAILABLE', 'The server is full')
  }

  /** Opens a stream of an admitted client. */
  open<Stream>(open: (opener: Opener) => Stream): Stream {
    this.refuseWhenFull()
    const stream = open(this.#parts.opener)
    if (stream) this.#parts.onOpened()
    return stream
  }

  /**
   * Opens a stream by its token or ticket. Resolves to the function that closes the stream; to undefined when
   * the client has gone.
   *
   * @param browsers the values of the request's browser cookies
   */
  async enter(
    token: string | undefined,
    browsers: readonly string[],
    request: StreamRequest,
  ): Promise<(() => void) | undefined> {
    const { admissions, control, rights } = this.#parts
    this.refuseWhenFull()
    const { address } = request.origin ?? {}
    if (request.origin) control.stream(address)
    let close: (() => void) | undefined
    try {
      await rights.follow()
      close = await admissions.admit(token, browsers, (admitted) =>
        this.open((opener) => opener.open(admitted, request)),
      )
      return close
    } finally {
      if (!close && request.origin) control.streamEnded(address)
    }
  }
}
