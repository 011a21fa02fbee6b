import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const server = process.env.SERVER ?? 'http://localhost:3000'

export default defineConfig({
  plugins: [vue()],
  server: { proxy: { '/particle': server, '/tasks': server } },
})
