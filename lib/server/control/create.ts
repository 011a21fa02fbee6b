import { describeGiven } from '../../model/given.ts'
import { refuseOption } from '../../model/unknown.ts'
import type { Adapter, CollectionHandle } from '../../source/source.ts'
import { CLOCK_MARGIN_MS, LOOKUP_MS } from '../auth/revocations.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { handlesOf, isHandle, MISTAKEN } from '../registry/handle.ts'
import type { Sources } from '../registry/sources.ts'
import { Control, type ControlOptions } from './control.ts'

/** The name of the collection that `control: true` uses, in the store of the first source. */
const CONTROL_COLLECTION = 'particle_control'

/**
 * Creates the control of a server; undefined without the option `control`.
 *
 * @throws ParticleError `INVALID_OPTION` when `control` is no collection that this process can write to
 */
export function createControl(
  options: ResolvedOptions,
  sources: Sources,
  parts: Pick<ControlOptions, 'queries' | 'process' | 'apply'>,
): Control | undefined {
  const handle = handleOf(options)
  if (!handle) return undefined
  return new Control({
    ...parts,
    feed: sources.feedOf(handle),
    collection: handle.collectionName,
    timeout: options.controlTimeout,
    lifetime: options.sessionTtl + LOOKUP_MS + CLOCK_MARGIN_MS,
    onError: options.onError,
  })
}

function handleOf({ control, dataSources }: ResolvedOptions): CollectionHandle | undefined {
  if (control === undefined) return undefined
  const handle = control === true ? named(handlesOf(dataSources)[0]?.adapter) : control
  if (handle === undefined)
    refuseOption('control is true, but the first source has no adapter: give adapter.collection(name)')
  if (!isHandle(handle))
    refuseOption(
      "control must be true or adapter.collection('particle_control'), " +
        `but ${describeGiven(handle, MISTAKEN)}`,
    )
  const { adapter, collectionName } = handle
  const roots = handlesOf(dataSources)
  if (roots.some((root) => root.adapter === adapter && root.collectionName === collectionName))
    refuseOption(
      `control is ${collectionName}, which a root of dataSources shows: give a collection for Particle ` +
        'alone, since it holds who was revoked',
    )
  if (!adapter.append || !adapter.discard)
    refuseOption(`control is a collection of ${adapter.name}, whose adapter has no append() and discard()`)
  return handle
}

function named(adapter: Adapter | undefined): CollectionHandle | undefined {
  const { collection } = (adapter ?? {}) as { collection?: (name: string) => CollectionHandle }
  return collection?.call(adapter, CONTROL_COLLECTION)
}
