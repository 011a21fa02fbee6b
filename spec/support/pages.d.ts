/** Packages that pages name and the repository does not install, as far as the pages use them. */
declare module 'drizzle-orm/node-postgres' {
  export function drizzle(pool: import('pg').Pool): object
}

declare module 'hono' {
  export interface Context {
    req: { raw: Request }
    get(name: string): object | undefined
  }
  export class Hono {
    all(path: string, handler: (context: Context) => Promise<Response>): void
  }
}
declare module '@sveltejs/kit' {
  export interface RequestEvent {
    request: Request
    getClientAddress(): string
  }
}
declare module '@hono/node-server' {
  export function serve(app: object): void
}
declare module '@hono/node-server/conninfo' {
  export function getConnInfo(context: unknown): { remote: { address?: string } }
}

/** What a login of passport and express-session puts on a request. */
declare namespace Express {
  interface User {
    id: number
  }
}
declare module 'http' {
  interface IncomingMessage {
    user?: Express.User
    sessionID?: string
  }
}
