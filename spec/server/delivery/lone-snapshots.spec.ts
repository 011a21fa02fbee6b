import { expect } from 'chai'
import { LoneSnapshots } from '../../../lib/server/delivery/lone-snapshots.ts'
import type { View } from '../../../lib/server/view/view.ts'

/** As much of a view as its snapshot needs. */
class Shown {
  readonly viewers: { size: number }
  isFree = false

  constructor(viewers = 1) {
    this.viewers = { size: viewers }
  }
  free(): void {
    this.isFree = true
  }
}

describe('server/lone-snapshots', () => {
  const setUp = () => {
    const snapshots = new LoneSnapshots()
    const add = (view: Shown, bytes = 100_000) => {
      snapshots.add(view as unknown as View, bytes)
      return view
    }
    const addMany = (count: number, bytes?: number) =>
      Array.from({ length: count }, () => add(new Shown(), bytes))
    return { add, addMany, sweep: () => snapshots.sweep() }
  }

  it('keep the newest, up to a megabyte', () => {
    const { addMany } = setUp()
    const views = addMany(30)
    const kept = views.filter(({ isFree }) => !isFree)
    expect(kept).to.deep.equal(views.slice(-10))
  })

  it('keep the newest of all, however large it is', () => {
    const { add, addMany } = setUp()
    const [first] = addMany(1)
    const large = add(new Shown(), 5e6)
    expect([first?.isFree, large.isFree]).to.deep.equal([true, false])
    const later = add(new Shown())
    expect([large.isFree, later.isFree]).to.deep.equal([true, false])
  })

  it('keep those of views that a second client has come to', () => {
    const { add, addMany } = setUp()
    const shared = add(new Shown(2), 5e6)
    const other = add(new Shown())
    other.viewers.size = 2
    addMany(30)
    expect([shared.isFree, other.isFree]).to.deep.equal([false, false])
  })

  it('forget the views that were left', () => {
    const { add, addMany, sweep } = setUp()
    const left = add(new Shown(), 1e6)
    left.viewers.size = 0
    sweep()
    const others = addMany(10)
    expect([left, ...others].map(({ isFree }) => isFree)).to.deep.equal(Array(11).fill(false))
  })

  it('count the bytes of a view once, however often its client reads it', () => {
    const { add, addMany } = setUp()
    const view = new Shown()
    for (let times = 0; times < 100; times++) add(view)
    const others = addMany(5)
    expect([view, ...others].map(({ isFree }) => isFree)).to.deep.equal(Array(6).fill(false))
  })
})
