import { join } from 'node:path'
import { defineConfig } from 'vitepress'
import { writeLlms } from './llms.ts'
import { addressOf, SECTIONS } from './pages.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/**
 * Builds the site from the repository's root, so that links from docs/ to SECURITY.md or bench/README.md work
 * as they stand. A dead link fails the build.
 */
export default defineConfig({
  title: 'Particle',
  description: "Keeps a browser's local model equal to what the server has, over server-sent events.",
  srcDir: '..',
  srcExclude: [
    '**/node_modules/**',
    'lib/**',
    'spec/**',
    'dist/**',
    'bench/results/**',
    '.github/**',
    '.changeset/**',
    'clients/**',
  ],
  rewrites: { 'README.md': 'index.md' },
  // Files of the repository that are no pages of the site: spec/docs.spec.ts checks that they are there.
  ignoreDeadLinks: [/^http:\/\/localhost/, /^\.\/(?:LICENSE|spec\/)/],
  cleanUrls: true,
  markdown: { theme: { light: 'github-light', dark: 'github-dark' }, languageAlias: { cjs: 'js' } },
  themeConfig: {
    outline: [2, 3],
    search: { provider: 'local' },
    nav: [
      { text: 'Tutorial', link: addressOf('docs/start/tutorial.md') },
      { text: 'Options', link: addressOf('docs/reference/options.md') },
      { text: 'Troubleshooting', link: addressOf('docs/help/troubleshooting.md') },
    ],
    sidebar: SECTIONS.map(({ text, pages }) => ({
      text,
      collapsed: false,
      items: pages.map((page) => ({ text: page.text, link: addressOf(page.file) })),
    })),
  },
  buildEnd: ({ outDir }) => writeLlms(ROOT, outDir),
})
