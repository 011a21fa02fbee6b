import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { matcher, type Query } from '../../lib/policy/query.ts'
import { JointReads } from '../../lib/server/feed/joint-reads.ts'
import type { Adapter } from '../../lib/source/source.ts'

type Source = Pick<Adapter, 'read'>

/** Returns random queries that differ only in the plain values of one to three of these paths. */
export function similarQueries(
  paths: readonly string[],
  values: readonly unknown[],
  rests: readonly Query[] = [{}],
): fc.Arbitrary<Query[]> {
  const conditionOf = (type: string) => {
    const value = fc.constantFrom(...values.filter((one) => typeof one === type))
    const list = fc.array(value, { minLength: 1, maxLength: 4 })
    return fc.oneof(
      value,
      value.map(($eq) => ({ $eq })),
      list.map(($in) => ({ $in })),
    )
  }
  const types = [...new Set(values.map((value) => typeof value))]
  const field = fc.record({ path: fc.constantFrom(...paths), type: fc.constantFrom(...types) })
  const fields = fc.uniqueArray(field, { selector: ({ path }) => path, minLength: 1, maxLength: 3 })
  return fc.tuple(fields, fc.constantFrom(...rests)).chain(([chosen, rest]) => {
    const conditions = chosen.map(({ path, type }) => conditionOf(type).map((one) => [path, one] as const))
    const query = fc.tuple(...conditions).map((pairs): Query => ({ ...Object.fromEntries(pairs), ...rest }))
    return fc.array(query, { minLength: 2, maxLength: 6 })
  })
}

/**
 * Checks that views that are read together get the documents that each would get alone. Returns the number of
 * queries that joining saved.
 */
export async function expectSameAsSingle(
  source: Source,
  collection: string,
  queries: readonly Query[],
): Promise<number> {
  let asked = 0
  const counted: Source = {
    read: (...request) => {
      asked++
      return source.read(...request)
    },
  }
  const reads = new JointReads(counted)
  const joint = await Promise.all(
    queries.map((query) => collect((each) => reads.read(collection, query, matcher(query), each))),
  )
  for (const [at, query] of queries.entries()) {
    const single = await collect((each) => source.read(collection, query, each))
    expect(joint[at], describeQueries(query, queries)).to.deep.equal(single)
  }
  return queries.length - asked
}

async function collect(
  read: (each: (documents: Document[]) => void) => Promise<unknown>,
): Promise<Document[]> {
  const documents: Document[] = []
  await read((batch) => void documents.push(...batch))
  const key = ({ _id = null }: Document) => idKey(_id)
  return documents.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

function describeQueries(query: Query, queries: readonly Query[]): string {
  return `${JSON.stringify(query)} of ${JSON.stringify(queries)}`
}
