import type { IncomingMessage } from 'node:http'
import { parse } from 'node:querystring'
import cookieSession from 'cookie-session'
import type { Express, Request, RequestHandler, Response } from 'express'
import session, { type Store } from 'express-session'
import jwt from 'jsonwebtoken'
import passport from 'passport'
import { Strategy } from 'passport-local'

/** The users of the site by their name; the application's own database is asked for them at each login. */
export interface Users {
  find(name: string): Promise<{ name: string; password: string } | null | undefined>
}

/** What a lookup answers of the user who is logged in, or `null`. */
export interface Known {
  user: string
  /** Tells this login from others of the same user. */
  login?: string
}

/** One way in which an Express application knows its users. */
export interface Login {
  /** Mounts the middlewares that come before all routes. */
  install(app: Express): void
  /** Logs the user of a form's `name` and `password` in; the answer is the caller's. */
  login: RequestHandler
  /** Ends the login. Resolves with what the streams of this login are known by. */
  logout(request: Request, response: Response): Promise<Known | null>
  /** The function for `identityLookup`, which reads the request. */
  lookup(request: IncomingMessage): Known | null
}

/** Every way that the specs log in by. */
export type LoginKind = 'passport' | 'express-session' | 'cookie-session' | 'jwt'

/** What a way of logging in needs of its application. */
export interface LoginOptions {
  users: Users
  /** Where express-session keeps its sessions. Default: in memory. */
  store?: Store | undefined
  /** The same on all nodes of an application. */
  secret: string
  /** Marks the cookies `Secure`, for a site that is served by TLS. */
  secure: boolean
}

/** Makes the middlewares and functions of a way to log in, as its documentation shows them. */
export function makeLogin(kind: LoginKind, options: LoginOptions): Login {
  if (kind === 'passport') return byPassport(options)
  if (kind === 'express-session') return bySession(options)
  return kind === 'cookie-session' ? byCookieSession(options) : byToken(options)
}

/** express-session (with its default `resave`), passport and passport-local. */
function byPassport({ users, store, secret, secure }: LoginOptions): Login {
  const authenticator = new passport.Passport()
  authenticator.use(
    new Strategy({ usernameField: 'name' }, (name, password, done) => {
      users.find(name).then((user) => done(null, user?.password === password ? user : false), done)
    }),
  )
  authenticator.serializeUser<string>((user, done) => done(null, (user as { name: string }).name))
  authenticator.deserializeUser<string>((name, done) => {
    users.find(name).then((user) => done(null, user ?? false), done)
  })
  return {
    install: (app) => {
      app.use(
        session({
          secret,
          resave: true,
          saveUninitialized: false,
          cookie: { secure },
          ...(store && { store }),
        }),
      )
      app.use(authenticator.initialize())
      app.use(authenticator.session())
    },
    login: authenticator.authenticate('local'),
    logout: async (request) => {
      const known = passportUser(request)
      await new Promise<void>((resolve, reject) =>
        request.logout((error: unknown) => (error ? reject(error) : resolve())),
      )
      return known
    },
    lookup: passportUser,
  }
}

function passportUser(incoming: IncomingMessage): Known | null {
  const request = incoming as Request
  const user = request.user as { name: string } | undefined
  return user ? { user: user.name, login: request.sessionID } : null
}

/**
 * express-session alone (with its default `resave`): the session holds the user, and a logout destroys it.
 */
function bySession({ users, store, secret, secure }: LoginOptions): Login {
  const lookup = (incoming: IncomingMessage): Known | null => {
    const request = incoming as Request
    const user = (request.session as { user?: string } | undefined)?.user
    return user ? { user, login: request.sessionID } : null
  }
  return {
    install: (app) =>
      app.use(
        session({
          secret,
          resave: true,
          saveUninitialized: false,
          cookie: { secure },
          ...(store && { store }),
        }),
      ),
    login: async (request, response, next) => {
      const user = await users.find(String(request.body.name))
      if (user?.password !== request.body.password) return void response.status(401).send('Wrong password')
      request.session.regenerate(() => {
        Object.assign(request.session, { user: user?.name })
        request.session.save(next)
      })
    },
    logout: async (request) => {
      const known = lookup(request)
      await new Promise<void>((resolve, reject) =>
        request.session.destroy((error: unknown) => (error ? reject(error) : resolve())),
      )
      return known
    },
    lookup,
  }
}

/** cookie-session, where the cookie is the session. */
function byCookieSession({ users, secret, secure }: LoginOptions): Login {
  const lookup = (incoming: IncomingMessage): Known | null => {
    const user = (incoming as Request & { session?: { user?: string } | null }).session?.user
    return user ? { user } : null
  }
  return {
    install: (app) => app.use(cookieSession({ name: 'site', keys: [secret], secure })),
    login: async (request, response, next) => {
      const user = await users.find(String(request.body.name))
      if (user?.password !== request.body.password) return void response.status(401).send('Wrong password')
      Object.assign(request.session, { user: user?.name })
      next()
    },
    logout: async (request) => {
      const known = lookup(request)
      Object.assign(request, { session: null })
      return known
    },
    lookup,
  }
}

/** A JSON Web Token in an httpOnly cookie. */
function byToken({ users, secret, secure }: LoginOptions): Login {
  const lookup = (request: IncomingMessage): Known | null => {
    const { jwt: token } = parse(request.headers.cookie ?? '', '; ')
    try {
      return { user: (jwt.verify(String(token), secret) as { user: string }).user }
    } catch {
      return null
    }
  }
  return {
    install: () => {},
    login: async (request, response, next) => {
      const user = await users.find(String(request.body.name))
      if (user?.password !== request.body.password) return void response.status(401).send('Wrong password')
      const token = jwt.sign({ user: user?.name }, secret, { expiresIn: '1h' })
      response.cookie('jwt', token, { httpOnly: true, sameSite: 'lax', secure })
      next()
    },
    logout: async (request, response) => {
      const known = lookup(request)
      response.clearCookie('jwt')
      return known
    },
    lookup,
  }
}
