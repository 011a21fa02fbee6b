/** Stands once in each delta, and nowhere else on any of the wires: deliveries are counted by it. */
export const MARK = '^'

/** What every candidate's clients hear of: a person whose note changes. Hidden from them is the password. */
export interface Person {
  [field: string]: string | number | string[] | { city: string; street: string }
  _id: number
  name: string
  email: string
  password: string
  address: { city: string; street: string }
  tags: string[]
  note: string
}

export function personOf(id: number): Person {
  return {
    _id: id,
    name: `Person ${id}`,
    email: `person.${id}@example.com`,
    password: `not for clients ${id}`,
    address: { city: `City ${id % 1000}`, street: `${id % 100} Long Street` },
    tags: ['one', 'two', `tag ${id % 10}`],
    note: 'none',
  }
}

/** The note of the change of that number; 64 characters. */
export function noteOf(number: number): string {
  return `${MARK}note ${String(number).padEnd(58, '.')}`
}

/** The change as the data of a delta in Particle's form, which the other candidates send as their data. */
export function deltaOf(number: number, people: number) {
  return ['people', operationOf(number, people)] as const
}

/** The operation of the change. */
export function operationOf(number: number, people: number) {
  return ['set', number % people, 'note', noteOf(number)] as const
}
