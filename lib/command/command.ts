import { readFile } from 'node:fs/promises'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { ParticleError } from '../errors.ts'
import { conformance } from './conformance/conformance.ts'
import { conformanceOptions } from './conformance-options.ts'
import { failureOf } from './failure.ts'
import { Misuse } from './misuse.ts'
import { type Connection, install, remove } from './postgres.ts'
import { tail } from './tail.ts'
import { tailTarget } from './tail-target.ts'

const HELP = `particle tail <url> [options]
    shows what a client of the server gets, change by change, until Ctrl+C;
    the address is that of the middleware: http://localhost:3000/particle

  --identity <json>  the identity for the server's identityLookup, such as '{"user":"ann"}'
  --header <header>  a header of the requests, such as 'cookie: session=1'; several times for several headers
  --watch <root>     a root with parameters, such as 'messages?{"room":7}'; several times for several roots
  --json             writes one JSON object a line

particle conformance <url> [options]
    tests a server of the protocol, which offers the fixture of docs/reference/conformance.md
particle conformance --client <command> [options]
    tests a client, by a driver that speaks JSON on its standard input and output

  --fixture <url>    where the fixture's own routes are; else /fixture at the server's origin
  --filter <text>    only the cases whose rule or title contains the text; several times for several texts
  --list             lists the cases, and the rules without one
  --json             writes one JSON object a line
  --timeout <ms>     how long a case waits for each thing that it expects (10000)
  --jobs <number>    how many cases run at a time (16)

particle postgres install <table>... [options]
    makes triggers on the tables, and an outbox that they write changes to
particle postgres remove [options]
    takes all of it away

For a PostgreSQL where Particle has no right to replicate.
Run it as the tables' owner, and again for further tables.
A table is named as users (of the schema public), app.orders, or '"with.dot"."users"'.

  --url <url>        the database; else POSTGRES_URL, else DATABASE_URL, else PGHOST, PGDATABASE and so on
  --schema <name>    the schema of the outbox (particle_outbox)

and for install

  --grant-to <role>  the role that Particle connects as, where it is another one;
                     several times for several roles
  --rows <number>    of how many rows the outbox keeps changes (100000)
  --history <ms>     how long it keeps them, in milliseconds (600000)

particle --version
particle --help
`

const COMMON = {
  url: { type: 'string' },
  schema: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const
const INSTALL = {
  ...COMMON,
  'grant-to': { type: 'string', multiple: true },
  rows: { type: 'string' },
  history: { type: 'string' },
} as const
const TAIL = {
  identity: { type: 'string' },
  header: { type: 'string', multiple: true },
  watch: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

const CONFORMANCE = {
  client: { type: 'string' },
  fixture: { type: 'string' },
  filter: { type: 'string', multiple: true },
  list: { type: 'boolean' },
  json: { type: 'boolean' },
  timeout: { type: 'string' },
  jobs: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

/** Receives the results and the errors of a command. */
export interface Output {
  out(text: string): void
  error(text: string): void
}

const CONSOLE: Output = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
}

/**
 * Runs the command `particle`. Returns the exit code: 0 for success, 1 when the database or the server
 * refused, 2 for a wrong call.
 */
export async function run(args: readonly string[], output: Output = CONSOLE): Promise<0 | 1 | 2> {
  try {
    if (args[0] === 'tail') return await runTail(args.slice(1), output)
    if (args[0] === '--version') {
      output.out(`${await version()}\n`)
      return 0
    }
    if (args[0] === 'conformance') return await runConformance(args.slice(1), output)
    output.out(await execute(args))
    return 0
  } catch (error) {
    if (error instanceof Misuse) {
      output.error(`particle: ${error.message}\nSee particle --help\n`)
      return 2
    }
    output.error(`particle: ${failureOf(error)}\n`)
    return error instanceof ParticleError && error.code === 'INVALID_OPTION' ? 2 : 1
  }
}

/** Reads the version of the package. */
async function version(): Promise<string> {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  return version
}

async function runTail(args: readonly string[], output: Output): Promise<0 | 1> {
  const { values, positionals } = parse(args, TAIL)
  if (values.help === true) {
    output.out(HELP)
    return 0
  }
  const target = tailTarget(positionals, values.identity, values.header, values.watch)
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort())
  return await tail({ ...target, json: values.json === true }, process.stdout, ended.signal)
}

async function runConformance(args: readonly string[], output: Output): Promise<0 | 1> {
  const { values, positionals } = parse(args, CONFORMANCE)
  if (values.help === true) {
    output.out(HELP)
    return 0
  }
  const options = conformanceOptions({
    urls: positionals,
    client: values.client,
    fixture: values.fixture,
    filter: values.filter ?? [],
    isList: values.list === true,
    isJson: values.json === true,
    timeout: number('timeout', values.timeout),
    jobs: number('jobs', values.jobs),
  })
  return await conformance(options, output.out)
}

async function execute(args: readonly string[]): Promise<string> {
  const isInstall = args.includes('install')
  // Refuses the options of install for anything else, but reads them as such.
  const { values, positionals } = parse(args, isInstall ? INSTALL : (COMMON as typeof INSTALL))
  const [source, action, ...tables] = positionals
  if (values.help === true || args.length === 0) return HELP
  if (source !== 'postgres')
    throw new Misuse(`knows the commands tail, conformance and postgres, but not ${source ?? 'none'}`)
  const connection: Connection = { url: values.url, schema: values.schema }
  if (action === 'remove') {
    if (tables.length > 0)
      throw new Misuse(`remove takes away all triggers, and no table: ${tables.join(', ')}`)
    return await remove(connection)
  }
  if (action !== 'install') throw new Misuse(`postgres knows install and remove, but not ${action ?? 'none'}`)
  if (tables.length === 0) throw new Misuse('install takes the names of tables, such as users or app.orders')
  return await install(connection, tables, {
    grantTo: values['grant-to'] ?? [],
    rows: number('rows', values.rows),
    history: number('history', values.history),
  })
}

function parse<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    // Cuts Node's advice about arguments that begin with a dash.
    throw new Misuse(
      message.replace(/\. To specify[\s\S]*$/, '').replace(/^./, (first) => first.toLowerCase()),
    )
  }
}

function number(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^[1-9]\d{0,14}$/.test(value)) return Number(value)
  throw new Misuse(`--${name} is a whole number above 0, but not ${value}`)
}
