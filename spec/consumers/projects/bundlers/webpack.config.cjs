const base = {
  mode: 'production',
  context: __dirname,
  output: { path: `${__dirname}/webpack` },
  optimization: { minimize: false },
  performance: { hints: false },
}

module.exports = [
  { ...base, name: 'page', entry: { page: './page.mjs', 'page-required': './page.cjs' } },
  {
    ...base,
    name: 'server',
    target: 'node20',
    entry: { server: './server.mjs', 'server-required': './server.cjs' },
  },
]
