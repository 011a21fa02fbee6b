module.exports = {
  testMatch: ['**/*.test.(js|mjs|ts)'],
  transform: {
    '\\.ts$': ['ts-jest', { tsconfig: { esModuleInterop: true, types: ['node', 'jest'], strict: true } }],
  },
}
