export { collectMetrics, type MetricsOptions } from './metrics.ts'
