import { nodeResolve } from '@rollup/plugin-node-resolve'

export default {
  input: 'page.mjs',
  output: { file: 'rollup/page.mjs' },
  plugins: [nodeResolve({ browser: true })],
}
