import { shake } from '../../support/http.ts'
import type { Random } from './random.ts'

/** A user with all that was ever given to it, and with what may be known of others: their positions and tickets. */
export class Visitor {
  readonly url: string
  readonly user: string
  readonly password: string
  readonly tokens: string[] = ['']
  readonly tickets: string[] = ['']
  readonly cookies: string[] = ['']
  /** Positions of everybody: a position is no secret. */
  static readonly positions: string[] = ['0', '']

  constructor(url: string, user: string, password: string) {
    this.url = url
    this.user = user
    this.password = password
  }

  async shake(): Promise<void> {
    const { token, stream, cookie } = await shake(`${this.url}/particle`, {
      user: this.user,
      password: this.password,
    })
    this.#keep(this.tokens, token)
    this.#keep(this.tickets, stream.split('?token=')[1] ?? '')
    this.#keep(this.cookies, cookie)
  }

  /** Learns from what came. */
  learn(text: string, random: Random): void {
    for (const [, id = ''] of text.matchAll(/^id: (.+)$/gm))
      if (random.chance(0.1)) this.#keep(Visitor.positions, id)
    for (const [, token = ''] of text.matchAll(/"token":"([^"]+)"/g))
      if (random.chance(0.1)) this.#keep(this.tokens, token)
  }

  #keep(list: string[], text: string): void {
    list.push(text)
    if (list.length > 20) list.splice(1, 1)
  }
}
