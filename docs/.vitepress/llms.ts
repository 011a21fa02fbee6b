import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addressOf, type Page, SECTIONS } from './pages.ts'

const NAME = 'Particle'
const SUMMARY =
  "Keeps a browser's local model equal to the server's data that its user may see, over server-sent events."

/** Gives a page's first paragraph, which says what the page is for, as one line. */
export function purposeOf(text: string): string {
  const paragraphs = text.split(/\n\s*\n/).filter((paragraph) => !/^(?:#|```|\||_)/.test(paragraph))
  return (paragraphs[0] ?? '')
    .replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Writes llms.txt (the list of pages) and llms-full.txt (all pages in one), as https://llmstxt.org says. */
export async function writeLlms(root: string, folder: string): Promise<void> {
  const read = (page: Page) => readFile(join(root, page.file), 'utf8')
  const head = `# ${NAME}\n\n> ${SUMMARY}\n`
  const list: string[] = [head]
  const full: string[] = [head]
  for (const { text, pages } of SECTIONS) {
    list.push(`## ${text}\n`)
    for (const page of pages) {
      const content = await read(page)
      list.push(`- [${page.text}](${addressOf(page.file)}): ${purposeOf(content)}`)
      full.push(`<!-- ${page.file} -->\n\n${content}`)
    }
    list.push('')
  }
  await writeFile(join(folder, 'llms.txt'), list.join('\n'))
  await writeFile(join(folder, 'llms-full.txt'), full.join('\n'))
}
