import { type Receiver, receive } from '../../lib/server/delivery/receiver.ts'

/** Passes the events of each text to a receiver. */
export const eventReceiver =
  (receiver: Receiver, onError: (error: Error) => void) =>
  (text: string): void =>
    receive(text, receiver, onError)
