/** A page of the site, by its path from the repository's root. */
export interface Page {
  text: string
  file: string
}

/** A section of the sidebar, and of llms.txt. */
export interface Section {
  text: string
  pages: readonly Page[]
}

const page = (text: string, file: string): Page => ({ text, file })

/** Lists all pages in reading order: the sidebar, llms.txt and llms-full.txt are made from this list. */
export const SECTIONS: readonly Section[] = [
  {
    text: 'Start',
    pages: [
      page('Introduction', 'docs/start/introduction.md'),
      page('Quick start', 'docs/start/quick-start.md'),
      page('Tutorial', 'docs/start/tutorial.md'),
      page('Examples', 'docs/start/examples.md'),
    ],
  },
  {
    text: 'Guides',
    pages: [
      page('Fields', 'docs/guides/fields.md'),
      page('Rows', 'docs/guides/rows.md'),
      page('Sorted and limited views', 'docs/guides/sorted.md'),
      page('Roots with parameters', 'docs/guides/watching.md'),
      page('Relations', 'docs/guides/relations.md'),
      page('Logins and sessions', 'docs/guides/logins.md'),
      page('Rights that change', 'docs/guides/rights.md'),
      page('The client', 'docs/guides/client.md'),
      page('Tabs that share a stream', 'docs/guides/tabs.md'),
      page('React, Vue, Svelte and Solid', 'docs/guides/frameworks.md'),
      page('Pages with their data', 'docs/guides/server-rendering.md'),
      page('Offline', 'docs/guides/offline.md'),
      page('TypeScript', 'docs/guides/typescript.md'),
      page('Mongoose, Prisma, Drizzle, Knex', 'docs/guides/orms.md'),
      page('Writes', 'docs/guides/writes.md'),
      page('TanStack DB', 'docs/guides/tanstack.md'),
      page('Python', 'docs/guides/python.md'),
      page('Testing', 'docs/guides/testing.md'),
      page('Hono, Bun, Deno, Next, SvelteKit', 'docs/guides/fetch.md'),
      page('Where Particle runs', 'docs/guides/consumers.md'),
      page('Deployment', 'docs/guides/deployment.md'),
      page('Several nodes', 'docs/guides/nodes.md'),
      page('Observability', 'docs/guides/observability.md'),
      page('Inspector', 'docs/guides/inspector.md'),
      page('Security', 'docs/guides/security.md'),
      page('Threat model', 'SECURITY.md'),
    ],
  },
  {
    text: 'Sources',
    pages: [
      page('Choose a source', 'docs/sources/choose.md'),
      page('Memory', 'docs/sources/memory.md'),
      page('MongoDB', 'docs/sources/mongodb.md'),
      page('PostgreSQL', 'docs/sources/postgres.md'),
      page('MariaDB', 'docs/sources/mariadb.md'),
      page('Redis', 'docs/sources/redis.md'),
      page('Callbacks', 'docs/sources/callbacks.md'),
      page('A source of your own', 'docs/sources/your-own.md'),
    ],
  },
  {
    text: 'Reference',
    pages: [
      page('Server options', 'docs/reference/options.md'),
      page('Client options', 'docs/reference/client.md'),
      page('Exports', 'docs/reference/api.md'),
      page('Errors', 'docs/reference/errors.md'),
      page('The wire', 'docs/reference/wire.md'),
      page('Operations', 'docs/reference/operations.md'),
      page('BSON and SQL to JSON', 'docs/reference/values.md'),
      page('JSON Schemas', 'docs/reference/schemas.md'),
      page('The protocol in rules', 'docs/reference/protocol.md'),
      page('Conformance', 'docs/reference/conformance.md'),
    ],
  },
  {
    text: 'Help',
    pages: [
      page('Troubleshooting', 'docs/help/troubleshooting.md'),
      page('Why does my client not see this document?', 'docs/help/missing.md'),
      page('Look at a stream with curl', 'docs/help/curl.md'),
      page('FAQ', 'docs/help/faq.md'),
      page('Limits', 'docs/help/limits.md'),
    ],
  },
  {
    text: 'About',
    pages: [
      page('Architecture', 'docs/about/architecture.md'),
      page('Glossary', 'docs/about/glossary.md'),
      page('Comparison', 'docs/about/comparison.md'),
      page('Migration', 'docs/about/migration.md'),
      page('Benchmarks', 'docs/about/benchmarks.md'),
      page('What Particle costs', 'bench/FIGURES.md'),
      page('How to run the benchmarks', 'bench/README.md'),
      page('What paid, and what did not', 'bench/FINDINGS.md'),
      page('Contributing', 'CONTRIBUTING.md'),
      page('Changelog', 'CHANGELOG.md'),
    ],
  },
  {
    text: 'Decisions',
    pages: [
      page('All decisions', 'docs/about/decisions/index.md'),
      page(
        "Follow the database, not the application's writes",
        'docs/about/decisions/01-follow-the-database.md',
      ),
      page('Reset rather than guess', 'docs/about/decisions/02-reset-rather-than-guess.md'),
      page(
        'Join a snapshot with the changes around it',
        'docs/about/decisions/03-join-snapshots-with-changes.md',
      ),
      page('Share a view between clients with the same rights', 'docs/about/decisions/04-share-views.md'),
      page('Positions are sealed, and belong to the store', 'docs/about/decisions/05-sealed-positions.md'),
      page('The client reads its stream by fetch', 'docs/about/decisions/06-fetch-reads-the-stream.md'),
      page('A bare EventSource gets a ticket and one small cookie', 'docs/about/decisions/07-tickets.md'),
      page('Renewal is a handshake', 'docs/about/decisions/08-renewal-is-a-handshake.md'),
      page(
        "Rows are matched in JSON, by a part of MongoDB's language",
        'docs/about/decisions/09-json-queries.md',
      ),
      page('ES modules, with CommonJS beside them', 'docs/about/decisions/10-two-module-formats.md'),
      page('MariaDB, and no MySQL yet', 'docs/about/decisions/11-mariadb-and-not-mysql.md'),
    ],
  },
]

/** Gives the address of a page at the site. */
export function addressOf(file: string): string {
  return `/${file.replace(/(?:index)?\.md$/, '')}`
}
