import mongoose from 'mongoose'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { fill, type Note, type Notes, PASSWORDS } from './app.ts'
import type { Users } from './logins.ts'

/** Users and notes as models of mongoose, of a database of their own. */
export interface Models {
  notes: Notes
  users: Users
  /** Removes the database and ends the connection. */
  close(): Promise<void>
}

/** Connects mongoose and makes the models with their usual content. */
export async function openModels(url: string): Promise<Models> {
  const connection = await mongoose.createConnection(url, { dbName: `life${process.pid}` }).asPromise()
  const Person = connection.model(
    'User',
    new mongoose.Schema({
      name: { type: String, required: true },
      password: { type: String, required: true },
    }),
  )
  const NoteModel = connection.model(
    'Note',
    new mongoose.Schema<Note>({ _id: String, owner: { type: String, required: true }, text: String }),
  )
  const database = connection.db
  if (!database) throw new Error('mongoose has no database')
  const notes: Notes = {
    collection: mongo(database).collection<Note>('notes'),
    insert: (note) => NoteModel.create(note),
    insertMany: (many) => NoteModel.insertMany(many),
    rewrite: (owner, text) => NoteModel.updateMany({ owner }, { $set: { text } }),
  }
  await Promise.all([NoteModel.createCollection(), Person.createCollection()])
  await Person.insertMany([...PASSWORDS].map(([name, password]) => ({ name, password })))
  await fill(notes)
  return {
    notes,
    users: { find: (name) => Person.findOne({ name }).lean() },
    close: async () => {
      await connection.dropDatabase()
      await connection.close()
    },
  }
}
