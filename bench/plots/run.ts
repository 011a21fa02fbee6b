/**
 * `npm run bench:plots [-- results.json]`: draws the plots of docs/about/benchmarks.md from figures.json, after it
 * has taken the medians of a run from the JSON of `npm run bench`. Writes the texts of the plots to the page, too.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { plots, type Shown } from './charts.ts'

const FIGURES = join(import.meta.dirname, 'figures.json')
const DOCS = join(import.meta.dirname, '..', '..', 'docs')
const PAGE = join(DOCS, 'about', 'benchmarks.md')

const shown = new Map<string, Shown>()
for (const each of JSON.parse(readFileSync(FIGURES, 'utf8')) as Shown[]) shown.set(each.title, each)
const [results] = process.argv.slice(2)
if (results !== undefined) {
  const run = JSON.parse(readFileSync(results, 'utf8')) as { date: string; scenarios: Shown[] }
  for (const { name, title, medians } of run.scenarios) {
    if (Object.keys(medians).length > 0)
      shown.set(title, { name, title, date: run.date.slice(0, 10), medians })
  }
  writeFileSync(FIGURES, `${JSON.stringify([...shown.values()], null, 2)}\n`)
}
let page = readFileSync(PAGE, 'utf8')
for (const [file, { alt, svg }] of Object.entries(plots([...shown.values()]))) {
  writeFileSync(join(DOCS, 'images', `${file}.svg`), svg)
  const address = `(../images/${file}.svg)`
  const end = page.indexOf(address)
  if (end < 0) throw new Error(`${PAGE} does not show ${file}.svg`)
  page = `${page.slice(0, page.lastIndexOf('![', end))}![${alt}]${page.slice(end)}`
}
writeFileSync(PAGE, page)
