import type { Timestamp } from 'mongodb'

/** Represents a MongoDB cluster time: seconds since 1970 and an increment within that second. */
export interface ClusterTime {
  readonly t: number
  readonly i: number
}

/** Converts a BSON Timestamp to a cluster time. */
export function clusterTime(timestamp: Timestamp): ClusterTime {
  return { t: timestamp.getHighBitsUnsigned(), i: timestamp.getLowBitsUnsigned() }
}

/** Compares two cluster times: negative, zero or positive. */
export function compareTimes(a: ClusterTime, b: ClusterTime): number {
  return a.t - b.t || a.i - b.i
}

/** Returns the later of two cluster times. */
export function laterTime(a: ClusterTime, b: ClusterTime): ClusterTime {
  return compareTimes(a, b) < 0 ? b : a
}

/** Returns the cluster time right before another one. */
export function tickBefore({ t, i }: ClusterTime): ClusterTime {
  return i > 0 ? { t, i: i - 1 } : { t: t - 1, i: 0xffff_ffff }
}
