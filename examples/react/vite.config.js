import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const server = process.env.SERVER ?? 'http://localhost:3000'

export default defineConfig({
  plugins: [react()],
  server: { proxy: { '/particle': server, '/tasks': server } },
})
