import {
  type CollectionConfig,
  type DeleteMutationFnParams,
  extractSimpleComparisons,
  type InsertMutationFnParams,
  type LoadSubsetOptions,
  type SyncConfigRes,
  type UpdateMutationFnParams,
} from '@tanstack/db'
import type { Client } from '../client/client.ts'
import { ParticleError } from '../errors.ts'
import type { Document, Json } from '../model/document.ts'
import { canonical } from '../model/json.ts'
import type { ModelOf, WatchDocument, WatchesOf, WatchParams } from '../model/shape.ts'
import type { ServerEvent } from '../protocol/messages.ts'
import { type Key, Rows, type Sync, type View } from './rows.ts'

/** The result of a handler: the position of its write, as the application's route got it from `server.position`. */
export type WritePosition = string | { position: string } | undefined

/** A handler of writes. The collection drops the optimistic state when the client has reached the position. */
type Handler<Params> = (params: Params) => Promise<WritePosition>

/** Configures a collection over a root of a client. */
export interface CollectionOptions<T extends object, C, Root, Params>
  extends Omit<CollectionConfig<T, Key, never>, 'sync' | 'getKey' | 'onInsert' | 'onUpdate' | 'onDelete'> {
  client: C
  root: Root
  /**
   * The parameters of a source with `params`. A list of their names loads on demand: each live query loads the
   * parameters that its `where` gives by `eq`.
   */
  params?: Params
  /** Returns the key of a row. Default: its `_id`, as JSON where it is neither a string nor a number. */
  getKey?: (row: T) => Key
  onInsert?: Handler<InsertMutationFnParams<T, Key>>
  onUpdate?: Handler<UpdateMutationFnParams<T, Key>>
  onDelete?: Handler<DeleteMutationFnParams<T, Key>>
}

type RowOf<Documents> = Documents extends readonly (infer D extends object)[] ? D : never

/**
 * Creates the options of a TanStack DB collection over a root:
 * `createCollection(particleCollectionOptions({ client, root: 'tasks' }))`. Each moment of the client is one
 * commit. The collection is ready when the root is complete, and fails when the server refuses the root.
 */
export function particleCollectionOptions<M, Root extends keyof ModelOf<M> & string>(
  options: CollectionOptions<RowOf<ModelOf<M>[Root]>, Client<M>, Root, undefined>,
): CollectionConfig<RowOf<ModelOf<M>[Root]>, Key, never> & { schema?: never }
export function particleCollectionOptions<
  M,
  Root extends keyof WatchesOf<M> & string,
  T extends object & WatchDocument<WatchesOf<M>, Root>,
>(
  options: CollectionOptions<
    T,
    Client<M>,
    Root,
    WatchParams<WatchesOf<M>, Root> | readonly (keyof WatchParams<WatchesOf<M>, Root> & string)[]
  >,
): CollectionConfig<T, Key, never> & { schema?: never }
export function particleCollectionOptions(options: object): object {
  return configOf(
    options as CollectionOptions<Document, Client, string, object | readonly string[] | undefined>,
  )
}

function configOf<T extends object>(
  options: CollectionOptions<T, Client, string, object | readonly string[] | undefined>,
): CollectionConfig<T, Key, never> {
  const { client, root, params, getKey = keyOf, onInsert, onUpdate, onDelete, ...rest } = options
  const isOnDemand = Array.isArray(params)
  const reaching = <Params>(handler: Handler<Params> | undefined) =>
    handler && {
      handle: async (write: Params) => {
        const result = await handler(write)
        const position = typeof result === 'object' ? result.position : result
        if (position !== undefined) await client.reached(position)
        return result
      },
    }
  const [inserting, updating, deleting] = [reaching(onInsert), reaching(onUpdate), reaching(onDelete)]
  return {
    ...rest,
    getKey,
    ...(isOnDemand ? { syncMode: 'on-demand' as const } : {}),
    sync: {
      rowUpdateMode: 'full',
      sync: (sync) => {
        const rows = new Rows(sync, getKey)
        const open = (values: object | undefined) => openView(client, root, values, rows)
        return isOnDemand ? onDemand(sync, params, rows, open) : eager(sync, rows, open(params))
      },
    },
    ...(inserting && { onInsert: inserting.handle }),
    ...(updating && { onUpdate: updating.handle }),
    ...(deleting && { onDelete: deleting.handle }),
  }
}

function eager<T extends object>({ markReady, markError }: Sync<T>, rows: Rows<T>, view: View): () => void {
  let isOver = false
  const settled = (act: () => void) => !isOver && act()
  rows.update()
  view.ready().then(
    () => settled(markReady),
    (error) => settled(() => markError(error)),
  )
  return () => {
    isOver = true
    view.close()
  }
}

/** Loads a view for each set of parameters that live queries ask for, counted by the queries. */
function onDemand<T extends object>(
  { markReady }: Sync<T>,
  names: readonly string[],
  rows: Rows<T>,
  open: (values: object) => View,
): SyncConfigRes {
  const views = new Map<string, { view: View; demands: Set<LoadSubsetOptions> }>()
  markReady()
  return {
    loadSubset: async (demand) => {
      const values = valuesOf(names, demand)
      const key = canonical(values)
      const entry = views.get(key) ?? { view: open(values), demands: new Set() }
      views.set(key, entry)
      entry.demands.add(demand)
      await entry.view.ready()
      rows.update()
    },
    unloadSubset: (demand) => {
      for (const [key, { view, demands }] of views) {
        if (!demands.delete(demand) || demands.size > 0) continue
        views.delete(key)
        view.close()
        rows.update()
      }
    },
    cleanup: () => {
      for (const { view } of views.values()) view.close()
    },
  }
}

/** Opens a root of the client, or a watch of it, and keeps the rows current until it is closed. */
function openView<T extends object>(
  client: Client,
  root: string,
  values: object | undefined,
  rows: Rows<T>,
): View {
  const listener = (_documents: unknown, _event: ServerEvent, events: readonly ServerEvent[]) =>
    // One of several views that is loaded again leaves the rows of the others.
    rows.update(rows.views.size === 1 && events.some(({ event }) => event === 'payload'))
  const follow = (): Omit<View, 'close'> & { end(): void } => {
    if (!values) {
      const pattern = `${root}.**`
      client.on(pattern, listener)
      const getSnapshot = () => client.getSnapshot(root)
      return { getSnapshot, ready: client.ready, end: () => client.off(pattern, listener) }
    }
    const watch = client.watch(root, values as Parameters<typeof client.watch>[1])
    watch.on('**', listener)
    return { getSnapshot: watch.getSnapshot, ready: watch.ready, end: watch.close }
  }
  const { getSnapshot, ready, end } = follow()
  const view: View = {
    getSnapshot: getSnapshot as () => readonly Document[],
    ready,
    close: () => {
      rows.views.delete(view)
      end()
    },
  }
  rows.views.add(view)
  return view
}

/** Reads the parameters from the condition of a live query. */
function valuesOf(names: readonly string[], { where }: LoadSubsetOptions): Record<string, Json> {
  const equal = extractSimpleComparisons(where).filter(({ operator }) => operator === 'eq')
  return Object.fromEntries(
    names.map((name) => {
      const found = equal.find(({ field }) => field.length === 1 && field[0] === name)
      if (found) return [name, found.value as Json]
      throw new ParticleError(
        'INVALID_OPTION',
        `A live query on demand must give each parameter: where(({ row }) => eq(row.${name}, value))`,
      )
    }),
  )
}

function keyOf(row: object): Key {
  const { _id } = row as Document
  return typeof _id === 'string' || typeof _id === 'number' ? _id : canonical(_id ?? null)
}
