/** Stands for `import.meta.url` in the CommonJS modules that need it. */
export const here = require('node:url').pathToFileURL(__filename).href
