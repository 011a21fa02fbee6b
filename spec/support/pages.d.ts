/** Packages that pages name and the repository does not install, as far as the pages use them. */
declare module 'drizzle-orm/node-postgres' {
  export function drizzle(pool: import('pg').Pool): object
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
