import { expect } from 'chai'
import type { Document } from '../../../lib/model/document.ts'
import { isDecodable, isUnicode } from '../../../lib/source/mariadb/charset.ts'
import { mariadbOrSkip } from '../../support/mariadb.ts'
import { RowDatabase } from './rows.ts'

const ONE_BYTE = [
  ...[
    'ascii',
    'cp1250',
    'cp1251',

    'cp1257',
    'cp850',
    'cp852',
    'koi8r',
    'latin1',
    'latin2',
    'latin5',
  ],
  ...['latin7', 'macce', 'tis620'],
]
const TWO_BYTES = ['cp932', 'euckr']
const UNICODE = ['utf8mb4', 'utf8mb3', 'ucs2', 'utf16', 'utf16le', 'utf32']
const REFUSED = [
  'armscii8',
  'big5',
  'cp1256',
  'cp866',
  'gbk',
  'dec8',
  'eucjpms',
  'gb2312',
  'greek',
  'sjis',
  'ujis',
]

const bytes = (digits: number) => `UNHEX(LPAD(HEX(seq), ${digits}, '0'))`

/** All characters of a character set, as rows of a number and a text. */
function characters(charset: string): string {
  const of = (range: string, text: string) =>
    `SELECT seq, CONVERT(${text} USING ${charset}) FROM seq_${range}`
  if (UNICODE.includes(charset)) {
    const planes = of('1_to_55295', `CONVERT(${bytes(8)} USING utf32)`)
    return `${planes} UNION ALL ${of('57344_to_131071', `CONVERT(${bytes(8)} USING utf32)`)}`
  }
  const single = of('0_to_255', bytes(2))
  return TWO_BYTES.includes(charset) ? `${single} UNION ALL ${of('33088_to_65278', bytes(4))}` : single
}

describe('source/mariadb/charset on a real server', () => {
  let database: RowDatabase

  before(async function () {
    database = await RowDatabase.create(await mariadbOrSkip(this))
  })

  after(() => database?.close())

  for (const charset of [...ONE_BYTE, ...TWO_BYTES, ...UNICODE]) {
    it(`finds each character of ${charset} in the log as a read gives it, or knows that it is lost`, async () => {
      expect(isDecodable(charset)).to.equal(true)
      const name = `of_${charset}`
      await database.run(
        `CREATE OR REPLACE TABLE ${name} (id INT PRIMARY KEY, t VARCHAR(8) CHARACTER SET ${charset})`,
      )
      const table = await database.table(name)
      const logged = await database.logged(
        () => database.run(`INSERT IGNORE INTO ${name} ${characters(charset)}`),
        [table],
      )
      const read = new Map((await database.read(name)).map(({ _id, t }) => [_id, t]))
      expect(read.size).to.be.above(200)
      const wrong: Document[] = []
      let lost = 0
      for (const { row, changes } of logged) {
        const [change] = changes
        if (change?.kind === 'reload') lost++
        else if (change?.kind !== 'insert' || change.document?.t !== read.get(row.after?.id as number))
          wrong.push({ _id: row.after?.id as number })
      }
      expect(logged).to.have.length(read.size)
      expect(wrong).to.deep.equal([])
      expect(lost / read.size).to.be.below(isUnicode(charset) ? 1e-9 : 0.6)
    }).timeout(60_000)
  }

  for (const charset of REFUSED) {
    it(`refuses a text in ${charset}, of which the log's decoding gets characters wrong`, async () => {
      await database.run(`CREATE TABLE of_${charset} (id INT PRIMARY KEY, t TEXT CHARACTER SET ${charset})`)
      const failure = await database.table(`of_${charset}`).catch((error: Error) => error)
      expect(String(failure)).to.include(`in the character set ${charset}`)
      expect(String(failure)).to.include('CONVERT TO CHARACTER SET utf8mb4')
    })
  }
})
