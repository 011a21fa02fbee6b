import { expectTypeOf } from 'expect-type'
import type { Db, MongoClient } from 'mongodb'
import type { mongo as bundled } from 'mongoose'
import { type DriverDatabase, MongoWatch, mongo } from '../../../lib/source/mongo/index.ts'

// Compiled by `npm run types`, never run. mongoose has a driver of its own, whose classes are other types.

declare const own: { db: Db; client: MongoClient }
declare const mongooses: { db: bundled.Db; client: bundled.MongoClient }

for (const { db, client } of [own, mongooses]) {
  mongo(db).collection('users')
  new MongoWatch({ client })
}
expectTypeOf<Db>().toExtend<DriverDatabase>()
expectTypeOf<bundled.Db>().toExtend<DriverDatabase>()
expectTypeOf<MongoClient>().not.toExtend<DriverDatabase>()

// @ts-expect-error: a client is no database
mongo(own.client)
// @ts-expect-error: a collection is no database
mongo(own.db.collection('users'))
// @ts-expect-error: a database is no client
new MongoWatch({ client: own.db })
