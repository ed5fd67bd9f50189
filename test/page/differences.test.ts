import { describe, expect, it } from 'vitest'
import { differencesOf } from '../../page/src/job/differences.ts'

/** Scenes of `seconds` each, by their ids: `a` is scene a as it was first rendered, `a2` as it was rendered anew. */
const film = (scenes: string, seconds: Readonly<Record<string, number>> = {}) => ({
  scenes: scenes.split(' ').map((clip, index) => {
    const id = clip.slice(0, 1)
    return { scene_id: id, title: null, start: index * 4, duration: seconds[id] ?? 4, clip }
  }),
})

const told = (one: ReturnType<typeof film>, other: ReturnType<typeof film>) => {
  const found = differencesOf(one, other)!
  return {
    sames: found.sames,
    differences: found.differences.map(
      ({ sceneId, one: here, other: there, isAnew, isLonger, isMoved }) =>
        `${sceneId} ${!here ? 'gone' : !there ? 'new' : [isAnew && 'anew', isLonger && 'longer', isMoved && 'moved'].filter(Boolean).join(' ')}`,
    ),
  }
}

describe('two films', () => {
  it('are the same where each scene shows the same render for the same time', () => {
    expect(told(film('a b c'), film('a b c'))).toEqual({ sames: 3, differences: [] })
  })

  it('differ in a scene that was rendered anew, or is longer, or both', () => {
    expect(told(film('a b2 c', { c: 6 }), film('a b c'))).toEqual({
      sames: 1,
      differences: ['b anew', 'c longer'],
    })
    expect(told(film('a2', { a: 5 }), film('a')).differences).toEqual(['a anew longer'])
  })

  it('differ in a scene that only one of them has, which moves no other', () => {
    expect(told(film('x a b'), film('a b y'))).toEqual({ sames: 2, differences: ['x new', 'y gone'] })
  })

  it('differ in the scenes that changed places', () => {
    expect(told(film('b a c'), film('a b c'))).toEqual({ sames: 1, differences: ['b moved', 'a moved'] })
  })

  it('cannot be compared where one of them does not say what scenes it has', () => {
    expect(differencesOf(film('a'), { scenes: null })).toBeUndefined()
  })
})
