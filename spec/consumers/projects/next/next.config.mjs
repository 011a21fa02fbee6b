export default {
  // Left out of the bundle, since the server reads the script for browsers from its own folder.
  serverExternalPackages: ['particle'],
  outputFileTracingRoot: import.meta.dirname,
}
