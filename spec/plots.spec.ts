import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { plots, type Shown } from '../bench/plots/charts.ts'

const ROOT = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

describe('The plots of the benchmarks', () => {
  const figures = JSON.parse(read('bench/plots/figures.json')) as Shown[]
  const drawn = Object.entries(plots(figures))

  it('are what `npm run bench:plots` draws of the committed figures', () => {
    for (const [file, { svg }] of drawn) expect(read(`docs/images/${file}.svg`), file).to.equal(svg)
  })

  it('are shown with a text that says the result', () => {
    const page = read('docs/about/benchmarks.md')
    for (const [file, { alt }] of drawn) expect(page).to.include(`![${alt}](../images/${file}.svg)`)
  })

  it('follow the figures', () => {
    const slower = figures.map((each) => ({
      ...each,
      medians: { ...each.medians, particle: { ...each.medians.particle, rss: 99.5 } },
    }))
    const { 'bench-memory': memory } = plots(slower)
    expect(memory?.alt).to.match(/Particle 99\.5\.$/)
    expect(memory?.svg).to.include('>99.5</text>')
    expect(() => plots([])).to.throw('bench:plots')
  })
})
