// Without types, which typescript.spec.ts checks by the same compiler and resolution.
const isolatedModules = true

module.exports = {
  testMatch: ['**/*.test.(js|mjs|ts)'],
  transform: {
    '\\.ts$': ['ts-jest', { tsconfig: { isolatedModules, esModuleInterop: true, types: ['node', 'jest'] } }],
  },
}
