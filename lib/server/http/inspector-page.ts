import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

const SCRIPT = new URL('../../../dist/browser/inspector.js', import.meta.url)
const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #5c5f66; --accent: #0b57d0;
  --bad: #b3261e; --good: #146c2e }
@media (prefers-color-scheme: dark) {
  :root { --soft: #a9adb5; --accent: #a8c7fa; --bad: #f2b8b5; --good: #6dd58c }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 90rem; padding: 1rem; font: 14px/1.45 system-ui, sans-serif }
h1 { font-size: 1.2rem; margin: 0 } h2 { font-size: 1rem; margin: 1.5rem 0 .4rem }
header, .bar { display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: baseline }
.soft, dt, .log time { color: var(--soft) } .bad { color: var(--bad) } .good { color: var(--good) }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr));
  gap: .5rem; margin: 1rem 0 0 }
dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .6rem }
dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.scroll { overflow-x: auto; max-height: 24rem } table { border-collapse: collapse; width: 100% }
th, td { text-align: start; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
th { color: var(--soft); font-weight: 600; white-space: nowrap }
button, input { font: inherit; min-height: 2.2rem; padding: .2rem .7rem; border: 1px solid var(--line);
  border-radius: .4rem }
button { cursor: pointer } button[aria-pressed=true] { color: var(--accent); border-color: var(--accent) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px }
.log { margin: .4rem 0; padding: 0; list-style: none; max-height: 28rem; overflow: auto;
  border: 1px solid var(--line); border-radius: .5rem }
.log li { padding: .2rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
.log b { color: var(--accent) } .log time { font-variant-numeric: tabular-nums }
pre { white-space: pre-wrap; margin: .2rem 0 }
`

let page: Promise<{ bytes: Buffer; policy: string }> | undefined

/** Returns the page of the inspector, with a policy that lets it run its own script alone. */
export async function inspectorPage(): Promise<{ bytes: Buffer; policy: string }> {
  page ??= readFile(SCRIPT, 'utf8').then(pageOf)
  try {
    return await page
  } catch (cause) {
    page = undefined
    throw cause
  }
}

function pageOf(code: string): { bytes: Buffer; policy: string } {
  const script = `\n${code}`
  const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Particle inspector</title>
<style>${STYLE}</style>
</head>
<body>
<noscript>The inspector needs JavaScript.</noscript>
<script type="module">${script}</script>
</body>
</html>
`
  const own = [`script-src ${hashOf(script)}`, `style-src ${hashOf(STYLE)}`, "connect-src 'self'"]
  const none = ['default-src', 'base-uri', 'form-action', 'frame-ancestors'].map((name) => `${name} 'none'`)
  const policy = [...none, ...own, "require-trusted-types-for 'script'"].join('; ')
  return { bytes: Buffer.from(text), policy }
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
