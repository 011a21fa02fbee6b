/** Packages that pages name and the repository does not install, as far as the pages use them. */
declare module 'react' {
  export function createContext<T>(value: T): {
    Provider: (props: { value: T; children?: unknown }) => unknown
  }
  export function useContext(context: unknown): import('particle/client').Client
  export function useEffect(effect: () => unknown, dependencies: unknown[]): void
  export function useState<T = import('particle/client').Client>(value?: T): [T, (value: unknown) => void]
  export function useSyncExternalStore<T>(subscribe: (listener: () => void) => () => void, get: () => T): T
}
declare module 'react-dom/client' {
  export function hydrateRoot(container: Element | null, element: unknown): unknown
}
declare module 'react-dom/server' {
  export function renderToString(element: unknown): string
}
declare module 'vue' {
  export function onScopeDispose(stop: () => void): void
  export function shallowRef<T>(value: T): { value: T }
}
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
