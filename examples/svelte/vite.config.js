import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

const server = process.env.SERVER ?? 'http://localhost:3000'

export default defineConfig({
  plugins: [svelte()],
  server: { proxy: { '/particle': server, '/tasks': server } },
})
