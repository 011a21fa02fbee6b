// An application of ES modules with a dependency of CommonJS: an error that the one makes is known to the other.
const required = require('particle')

import('particle').then((imported) => {
  const error = new required.ParticleError('CLOSED', 'It is closed.')
  console.log(error instanceof imported.ParticleError, required.related === imported.related)
})
