import type { ConformanceOptions } from './conformance/conformance.ts'
import { Misuse } from './misuse.ts'

/** The arguments of `particle conformance` as they were given. */
export interface GivenArguments {
  urls: readonly string[]
  client: string | undefined
  fixture: string | undefined
  filter: readonly string[]
  isList: boolean
  isJson: boolean
  timeout: number | undefined
  jobs: number | undefined
}

const TIMEOUT_MS = 10_000
const JOBS = 16

/** Reads the arguments of `particle conformance`. @throws Misuse that names the argument and its form */
export function conformanceOptions({ urls, client, fixture, ...rest }: GivenArguments): ConformanceOptions {
  const [url, ...more] = urls
  const isOne = (url === undefined) !== (client === undefined) && more.length === 0
  if (!isOne && !rest.isList)
    throw new Misuse(
      'conformance takes the address of a server, such as http://localhost:3000/particle, ' +
        'or --client "python driver.py"',
    )
  if (client !== undefined && fixture !== undefined)
    throw new Misuse('--fixture is the address of a fixture of a server, and takes no --client')
  const server = url === undefined ? undefined : addressOf(url)
  const { timeout = TIMEOUT_MS, jobs = JOBS } = rest
  return {
    ...rest,
    timeout,
    jobs,
    url: server,
    client,
    fixture:
      fixture === undefined ? new URL('/fixture', server ?? 'http://localhost').href : addressOf(fixture),
  }
}

function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Misuse('an address begins with http:// or https://, such as http://localhost:3000/particle')
  return url.href.replace(/\/$/, '')
}
