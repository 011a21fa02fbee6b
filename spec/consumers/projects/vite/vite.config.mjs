const target = process.env.PARTICLE_ORIGIN

export default {
  build: { modulePreload: { polyfill: false }, rollupOptions: { output: { entryFileNames: 'page.js' } } },
  server: {
    proxy: {
      '/particle': target,
      // As an API's prefix often is, one that the server knows nothing of.
      '/api': { target, rewrite: (path) => path.replace(/^\/api/, '') },
    },
  },
}
