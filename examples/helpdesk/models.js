import mongoose from 'mongoose'

await mongoose.connect(process.env.MONGODB_URL ?? 'mongodb://127.0.0.1:27017/helpdesk?replicaSet=rs0')

// Agents work for departments, and admins also give rights. Customers have no department.
export const User = mongoose.model('User', { _id: String, admin: Boolean, departments: [String] })
export const Group = mongoose.model('Group', { _id: String, members: [String] })

const remark = { from: String, text: String, at: { type: Date, default: Date.now } }
export const Ticket = mongoose.model('Ticket', {
  subject: { type: String, required: true },
  group: { type: String, required: true }, // whose members see the ticket
  department: { type: String, default: 'support' }, // whose agents work on it
  status: { type: String, default: 'new' },
  comments: [remark],
  notes: [remark], // between agents
  priority: { type: Number, default: 0 },
})

const users = [
  { _id: 'ann', admin: false, departments: [] },
  { _id: 'ben', admin: false, departments: [] },
  { _id: 'sue', admin: false, departments: ['support'] },
  { _id: 'root', admin: true, departments: ['support', 'billing'] },
]
await User.bulkWrite(
  users.map((user) => ({
    updateOne: { filter: { _id: user._id }, update: { $setOnInsert: user }, upsert: true },
  })),
)
await Group.updateOne({ _id: 'acme' }, { $setOnInsert: { members: ['ann'] } }, { upsert: true })
await Ticket.createCollection()
