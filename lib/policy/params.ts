import { ParticleError } from '../errors.ts'
import { describeGiven } from '../model/given.ts'
import { isObject } from '../model/json.ts'

/** Names the type of a parameter. An `id` is a text or a number, as `_id`s are in JSON. */
export type ParamType = 'string' | 'number' | 'boolean' | 'id'

/** The value of a parameter: never an object, and so never an operator. */
export type ParamValue = string | number | boolean

/** The parameters of a watched root, by name. */
export type ParamValues = Readonly<Record<string, ParamValue>>

/**
 * Describes a validator by the Standard Schema (https://standardschema.dev), as zod, valibot and arktype are.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: unknown }[] }

/**
 * Declares the parameters of a source: a type or a schema for each, or a schema for all of them. A `string`
 * stands for a type: that is what an object's `'number'` is widened to.
 */
export type WidenedParams = Readonly<Record<string, string | StandardSchema>> | StandardSchema

/** Rejects at compile time the types of parameters that the server refuses at run time. */
export type CheckedParams<Params> = {
  [Name in keyof Params]: Params[Name] extends string
    ? string extends Params[Name]
      ? Params[Name]
      : Extract<Params[Name], ParamType>
    : Params[Name]
}

/** Limits the characters of a parameter's text. */
const MAX_TEXT = 256

/** Matches the zero character and half characters, which some databases refuse and others replace. */
const UNSTORABLE = /[\0\p{Surrogate}]/u

const NAME = /^[A-Za-z_]\w*$/
const TYPES: Readonly<Record<ParamType, readonly [check: (value: unknown) => boolean, form: string]>> = {
  string: [(value) => typeof value === 'string', 'a text'],
  number: [Number.isFinite, 'a number'],
  boolean: [(value) => typeof value === 'boolean', 'true or false'],
  id: [
    (value) => (typeof value === 'string' && value !== '') || Number.isFinite(value),
    'a text or a number',
  ],
}

/** Checks the parameters of a source. */
export class ParamsReader {
  /** The names of the parameters; undefined where one schema checks all of them. */
  readonly names: readonly string[] | undefined
  readonly #fields: ReadonlyMap<string, ParamType | StandardSchema> | undefined
  readonly #schema: StandardSchema | undefined

  /** @throws ParticleError `INVALID_OPTION` when the declaration is wrong */
  constructor(option: unknown, where: string) {
    if (isSchema(option)) {
      this.#schema = option
      return
    }
    const refuse = (sentence: string): never => {
      throw new ParticleError('INVALID_OPTION', `${where} ${sentence}`)
    }
    if (typeof option !== 'object' || option === null || Array.isArray(option)) {
      refuse(`must be an object of names and types, such as { room: 'string' }, but ${describeGiven(option)}`)
    }
    this.#fields = new Map(Object.entries(option as Record<string, ParamType | StandardSchema>))
    this.names = [...this.#fields.keys()]
    if (this.names.length === 0) refuse('names no parameter: leave it out for a root that every client gets')
    for (const [name, type] of this.#fields) {
      if (!NAME.test(name)) refuse(`has the parameter "${name}": a name has letters, digits and _`)
      if (!isSchema(type) && !Object.hasOwn(TYPES, String(type)))
        refuse(`.${name} must be one of ${Object.keys(TYPES).join(', ')}, or a Standard Schema`)
    }
  }

  /**
   * Checks parameters that a client sent, and returns their values.
   *
   * @throws ParticleError `INVALID_PARAMS` that names the parameter
   */
  async read(params: ParamValues): Promise<ParamValues> {
    if (this.#schema) {
      const values = await this.#validate(this.#schema, params, '')
      if (!isObject(values)) throw this.#refusal('', 'must be an object of values')
      for (const [name, value] of Object.entries(values)) this.#check(name, value)
      return values as ParamValues
    }
    const values: Record<string, ParamValue> = {}
    for (const name of Object.keys(params)) {
      if (!this.#fields?.has(name)) throw this.#refusal(name, 'is no parameter of this source')
    }
    for (const [name, type] of this.#fields ?? []) {
      if (!Object.hasOwn(params, name)) throw this.#refusal(name, 'is missing')
      const value = params[name]
      if (isSchema(type)) values[name] = this.#check(name, await this.#validate(type, value, name))
      else {
        const [check, form] = TYPES[type]
        if (!check(value)) throw this.#refusal(name, `must be ${form}`)
        values[name] = this.#check(name, value)
      }
    }
    return values
  }

  async #validate(schema: StandardSchema, value: unknown, name: string): Promise<unknown> {
    const result = await schema['~standard'].validate(value)
    if (result.issues) throw this.#refusal(name, `did not pass the check: ${result.issues[0]?.message}`)
    return result.value
  }

  /** Refuses a value that could be an operator, or fill a query. */
  #check(name: string, value: unknown): ParamValue {
    if (typeof value === 'boolean' || Number.isFinite(value)) return value as ParamValue
    if (typeof value !== 'string') throw this.#refusal(name, 'must be a text, a number, true or false')
    if (UNSTORABLE.test(value)) throw this.#refusal(name, 'has a character that no database stores')
    if (value.length > MAX_TEXT) throw this.#refusal(name, `has more than ${MAX_TEXT} characters`)
    return value
  }

  #refusal(name: string, sentence: string): ParticleError {
    // Leaves the option's name out: the message goes to the page, which knows the root alone.
    return new ParticleError(
      'INVALID_PARAMS',
      `The ${name === '' ? 'params' : `parameter ${name}`} ${sentence}`,
    )
  }
}

function isSchema(value: unknown): value is StandardSchema {
  const standard = (value as { '~standard'?: { validate?: unknown } } | null)?.['~standard']
  return typeof standard?.validate === 'function'
}
