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
    ],
  },
  {
    text: 'Guides',
    pages: [
      page('Fields', 'docs/guides/fields.md'),
      page('Rows', 'docs/guides/rows.md'),
      page('Sorted and limited views', 'docs/guides/sorted.md'),
      page('Relations', 'docs/guides/relations.md'),
      page('Logins and sessions', 'docs/guides/logins.md'),
      page('Rights that change', 'docs/guides/rights.md'),
      page('The client', 'docs/guides/client.md'),
      page('React, Vue and Svelte', 'docs/guides/frameworks.md'),
      page('TypeScript', 'docs/guides/typescript.md'),
      page('Mongoose, Prisma, Drizzle, Knex', 'docs/guides/orms.md'),
      page('Writes', 'docs/guides/writes.md'),
      page('Testing', 'docs/guides/testing.md'),
      page('Where Particle runs', 'docs/guides/consumers.md'),
      page('Deployment', 'docs/guides/deployment.md'),
      page('Several nodes', 'docs/guides/nodes.md'),
      page('Observability', 'docs/guides/observability.md'),
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
      page('How benchmarks are run', 'bench/README.md'),
      page('Decisions', 'docs/about/decisions/index.md'),
      page('Contributing', 'CONTRIBUTING.md'),
      page('Changelog', 'CHANGELOG.md'),
    ],
  },
]

/** Gives the address of a page at the site. */
export function addressOf(file: string): string {
  return `/${file.replace(/(?:index)?\.md$/, '')}`
}
