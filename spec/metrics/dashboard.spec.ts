import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { Registry } from 'prom-client'
import { collectMetrics } from '../../lib/metrics/index.ts'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'

const GUIDES = join(import.meta.dirname, '../../docs/guides')

interface Dashboard {
  panels: { targets: { expr: string }[] }[]
}

/** The names of metrics in a text, without the endings of a histogram's parts. */
const namesIn = (text: string) =>
  new Set([...text.matchAll(/\bparticle_\w+/g)].map(([name]) => name.replace(/_(bucket|count|sum)$/, '')))

describe('The names of the metrics', () => {
  const register = new Registry()
  const guide = readFileSync(join(GUIDES, 'observability.md'), 'utf8')
  let names: string[]

  before(() => {
    const users = memory().collection('users')
    collectMetrics(new Server({ dataSources: { users: { collection: users, manifest: true } } }), {
      register,
    })
    names = register.getMetricsAsArray().map(({ name }) => name)
  })

  it('are all on the dashboard, and no others', () => {
    const { panels } = JSON.parse(readFileSync(join(GUIDES, 'particle.grafana.json'), 'utf8')) as Dashboard
    const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    expect([...namesIn(expressions.join(' '))]).to.have.members(names)
  })

  it('are all in the guide, with the alerts, and no others', () => {
    expect([...namesIn(guide)]).to.have.members(names)
  })
})
