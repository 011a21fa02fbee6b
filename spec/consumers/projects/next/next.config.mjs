export default {
  // Left out of the bundle, since the server reads the script for browsers from its own folder.
  serverExternalPackages: ['particle'],
  outputFileTracingRoot: import.meta.dirname,
  // One process builds all, since each further one reads Next and webpack again.
  experimental: { cpus: 1, webpackBuildWorker: false },
}
