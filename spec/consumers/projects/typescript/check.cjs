// Checks sets of files, each with options of its own: `node check.cjs <folder of TypeScript> <sets as JSON>`.
// One process, so that the declarations of libraries are parsed once for all sets.
// Finds errors in the files of the set and in Particle's declarations: errors in other libraries are theirs.
const { relative } = require('node:path')
const [folder = '', sets = '[]'] = process.argv.slice(2)
const ts = require(folder)

const parsed = new Map()

function check(args) {
  const { fileNames, options, errors } = ts.parseCommandLine(args)
  const host = ts.createCompilerHost(options)
  const parse = host.getSourceFile
  host.getSourceFile = (name, how, ...rest) => {
    if (!name.endsWith('.d.ts')) return parse(name, how, ...rest)
    const { languageVersion, impliedNodeFormat } = typeof how === 'object' ? how : { languageVersion: how }
    const key = `${languageVersion} ${impliedNodeFormat} ${name}`
    if (!parsed.has(key)) parsed.set(key, parse(name, how, ...rest))
    return parsed.get(key)
  }
  const program = ts.createProgram(fileNames, options, host)
  const ours = program
    .getSourceFiles()
    .filter(({ fileName }) => !/node_modules\/(?!particle\/)/.test(fileName))
    .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
  const general = [...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics()]
  return [...errors, ...general, ...ours].map(({ file, messageText }) => ({
    file: file && relative(process.cwd(), file.fileName),
    text: ts.flattenDiagnosticMessageText(messageText, '\n'),
  }))
}

console.log(JSON.stringify(JSON.parse(sets).map(check)))
