const webpack = require('webpack')
const config = require('./webpack.config.cjs')

webpack(config, (error, stats) => {
  if (error || stats.hasErrors() || stats.hasWarnings()) {
    console.error(error ?? stats.toString('errors-warnings'))
    process.exitCode = 1
  }
})
