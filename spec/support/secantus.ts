import { pythonWith } from './pypi.ts'

export const SECANTUS_VERSION = '0.7.0b3'

/** The command line that starts SecantusDB (GPL: a tool of the tests only), after installing it from PyPI where it isn't yet. */
export async function secantusCommand(): Promise<string[]> {
  const python = await pythonWith(`secantusdb-${SECANTUS_VERSION}`, [`SecantusDB==${SECANTUS_VERSION}`])
  // Not the script `secantusd-py`: its first line names the temporary folder.
  return [python, '-m', 'secantus']
}
