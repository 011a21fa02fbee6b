import { expect } from 'chai'
import { tokenTime } from '../../../lib/source/mongo/token.ts'

describe('tokenTime', () => {
  it('reads the cluster time of a token of MongoDB', () => {
    const _data =
      '8262F7B2E0000000012B042C0100296E5A1004D3B6AF2C7C4B4D0F8C0D8E6C1C3E9AF846645F6964006462F7B2E0'
    expect(tokenTime({ _data })).to.deep.equal({ t: 0x62f7b2e0, i: 1 })
  })

  it('reads the cluster time of a high-water mark of MongoDB', () => {
    expect(tokenTime({ _data: '8262F7B2E0000000072B0229296E04' })).to.deep.equal({ t: 0x62f7b2e0, i: 7 })
  })

  it('reads the cluster time of a token of SecantusDB, with and without a document key', () => {
    const withKey =
      '340000001073000b000000117400080000008b56056b026e000500000074312e7500036b000e000000105f696400010000000000'
    const without =
      '3800000010730009000000117400040000008b56056b026e001200000074312e24636d642e61676772656761746500036b00050000000000'
    expect(tokenTime({ _data: withKey })).to.deep.equal({ t: 0x6b05568b, i: 8 })
    expect(tokenTime({ _data: without })).to.deep.equal({ t: 0x6b05568b, i: 4 })
  })

  for (const [what, token] of Object.entries({
    'no object': '82',
    null: null,
    'no _data': {},
    'binary _data': { _data: new Uint8Array(9) },
    'no hex': { _data: '82zz' },
    'half a byte': { _data: '826' },
    'too short': { _data: '8262F7B2E00000' },
    'an empty text': { _data: '' },
    'another first component': { _data: '4662F7B2E000000001' },
    'a document without a time': { _data: '0c0000001073000b00000000' },
    'a document that is cut short inside': { _data: '0c000000117400080000000b00' },
  })) {
    it(`knows no time of a token that is ${what}`, () => {
      expect(tokenTime(token)).to.equal(undefined)
    })
  }
})
