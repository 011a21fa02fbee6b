import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { loadTable } from '../../../lib/source/mariadb/catalog.ts'
import { parseDefinition } from '../../../lib/source/mariadb/definition.ts'
import { promised } from '../../../lib/source/mariadb/pool.ts'
import type { TableOptions } from '../../../lib/source/mariadb/table.ts'
import { mariadbOrSkip } from '../../support/mariadb.ts'
import { RowDatabase } from './rows.ts'

describe('source/mariadb/catalog on a real server', () => {
  let database: RowDatabase

  before(async function () {
    database = await RowDatabase.create(await mariadbOrSkip(this))
  })

  after(async () => {
    for (const user of users.splice(0)) await database?.run(`DROP USER IF EXISTS ${user}`)
    await database?.close()
  })

  const users: string[] = []

  async function user(...grants: string[]): Promise<string> {
    const name = `${database.name.slice(-20)}_${users.length}`
    users.push(name)
    await database.run(`CREATE USER ${name} IDENTIFIED BY 'secret'`)
    for (const grant of grants) await database.run(`GRANT ${grant} TO ${name}`)
    return name
  }

  async function refusal(name: string, options: TableOptions = {}): Promise<string> {
    const failure = await database.table(name, options).catch((error: unknown) => error)
    expect(failure).to.be.an.instanceof(ParticleError)
    expect((failure as ParticleError).code).to.equal('INVALID_OPTION')
    return String((failure as ParticleError).message)
  }

  it('loads the columns of documents, and all columns of the log', async () => {
    await database.run(
      `CREATE TABLE users (id INT, org INT, \`a\`\`b.c\` JSON, name VARCHAR(5) COMPRESSED, at DATETIME(3), place POINT,
        twice INT AS (id * 2), stored INT AS (id * 3) STORED, hidden INT INVISIBLE, PRIMARY KEY (org, id))`,
    )
    const { columns, logged, key } = await database.table('users')
    expect(columns.map(({ name, type }) => [name, type.kind])).to.deep.equal([
      ['id', 'integer'],
      ['org', 'integer'],
      ['a`b.c', 'json'],
      ['name', 'text'],
      ['at', 'datetime'],
      ['hidden', 'integer'],
    ])
    expect(logged.map(({ name }) => name)).to.deep.equal([
      'id',
      'org',
      'a`b.c',
      'name',
      'at',
      'place',
      'twice',
      'stored',
      'hidden',
    ])
    expect(key).to.deep.equal(['org', 'id'])
  })

  it('knows that rows of the log fit, with columns that documents leave out', async () => {
    const table = await database.table('users')
    const changes = await database.logged(
      () => database.run("INSERT INTO users (id, org, name, place) VALUES (1, 2, 'ada', POINT(1, 2))"),
      [table],
    )
    expect(changes.map(({ fits }) => fits)).to.deep.equal([true])
    expect(changes[0]?.changes[0]).to.deep.include({
      document: { _id: { org: 2, id: 1 }, id: 1, org: 2, 'a`b.c': null, name: 'ada', at: null, hidden: null },
    })
    await database.run('ALTER TABLE users ADD COLUMN later INT FIRST')
    const after = await database.logged(() => database.run('UPDATE users SET name = NULL'), [table])
    expect(after.map(({ fits }) => fits)).to.deep.equal([false])
  })

  const REFUSED: [
    what: string,
    name: string,
    statements: string[],
    says: string[],
    options?: TableOptions,
  ][] = [
    ['a view', 'a_view', ['CREATE VIEW a_view AS SELECT 1 AS id'], ['is a view', 'use its tables']],
    ['a sequence', 'a_sequence', ['CREATE SEQUENCE a_sequence'], ['is a sequence']],
    [
      'a table with system versioning',
      'versioned',
      ['CREATE TABLE versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING'],
      ['DROP SYSTEM VERSIONING'],
    ],
    [
      'a table of MyISAM',
      'isam',
      ['CREATE TABLE isam (id INT PRIMARY KEY) ENGINE = MyISAM'],
      ['MyISAM', 'ENGINE = InnoDB'],
    ],
    [
      'a table without a key',
      'keyless',
      ['CREATE TABLE keyless (id INT, UNIQUE KEY (id))'],
      ['no primary key', 'add one'],
    ],
    [
      'a key that no document can have',
      'proto',
      ['CREATE TABLE proto (`__proto__` INT PRIMARY KEY)'],
      ['column __proto__ in its primary key', 'rename'],
    ],
    [
      'a column _id that is not the key',
      'two_ids',
      ['CREATE TABLE two_ids (id INT PRIMARY KEY, _id INT)'],
      ['column _id', 'RENAME COLUMN _id'],
    ],
    [
      'a column in the format of MariaDB 5.3',
      'old_times',
      [
        'SET GLOBAL mysql56_temporal_format = OFF',
        'CREATE TABLE old_times (id INT PRIMARY KEY, at DATETIME(3))',
        'SET GLOBAL mysql56_temporal_format = ON',
      ],
      ['format of MariaDB 5.3', '`at`', 'FORCE'],
    ],
    [
      'a document in a column of another type',
      'texts',
      ['CREATE TABLE texts (id INT PRIMARY KEY, doc LONGTEXT)'],
      ['no column "doc" of the type JSON'],
      { document: 'doc' },
    ],
    ['a document in a missing column', 'texts', [], ['no column "nothing"'], { document: 'nothing' }],
  ]
  for (const [what, name, statements, says, options] of REFUSED)
    it(`refuses ${what}, and says what to do`, async () => {
      await database.run(...statements)
      for (const part of says) expect(await refusal(name, options)).to.include(part)
    })

  it('refuses a temporary table', async () => {
    const connection = await promised(database.pool).getConnection()
    await connection.query('CREATE TEMPORARY TABLE brief (id INT PRIMARY KEY)')
    const failure = await loadTable(connection, database.reference('brief')).catch((error: unknown) => error)
    connection.destroy()
    expect(String(failure)).to.include('is temporary')
  })

  it('tells tables apart whose names differ in case', async () => {
    await database.run(
      'CREATE TABLE cased (id INT PRIMARY KEY)',
      'CREATE TABLE Cased (a INT, b INT, PRIMARY KEY (b))',
    )
    expect((await database.table('cased')).key).to.deep.equal(['id'])
    expect((await database.table('Cased')).key).to.deep.equal(['b'])
  })

  it('needs no right but SELECT, and names the missing one', async () => {
    await database.run(
      `CREATE TABLE teams (id INT PRIMARY KEY)`,
      `CREATE TABLE players (id INT PRIMARY KEY, team INT, data JSON,
        FOREIGN KEY (team) REFERENCES teams (id) ON DELETE CASCADE)`,
    )
    const load = (name: string, table = 'players') =>
      database.as(name, async (pool) => {
        const connection = await promised(pool).getConnection()
        try {
          return await loadTable(connection, database.reference(table))
        } catch (error) {
          return String(error)
        } finally {
          connection.release()
        }
      })
    const reader = await user(`SELECT ON ${database.name}.*`)
    expect(await load(reader)).to.deep.equal(await database.table('players'))
    await database.run('CREATE VIEW red_players AS SELECT id FROM players')
    expect(await load(reader, 'red_players'))
      .to.include('is a view')
      .and.include('use its tables')
    const nobody = await user()
    expect(await load(nobody)).to.include(
      `GRANT SELECT ON \`${database.name}\`.\`players\` TO \`${nobody}\`@\`%\``,
    )
    const partly = await user(`SELECT (id) ON ${database.name}.players`, `SELECT ON ${database.name}.teams`)
    expect(await load(partly)).to.include(`GRANT SELECT ON \`${database.name}\`.\`players\``)
    const childish = await user(`SELECT ON ${database.name}.players`)
    expect(await load(childish))
      .to.include('has a foreign key')
      .and.include(`GRANT SELECT ON \`${database.name}\`.\`teams\``)
  })

  it('finds the parents whose changes change a table, also by way of others', async () => {
    await database.run(
      'CREATE TABLE g (id INT PRIMARY KEY, code VARCHAR(9) UNIQUE)',
      'CREATE TABLE p (id INT PRIMARY KEY, g VARCHAR(9), FOREIGN KEY (g) REFERENCES g (code) ON UPDATE CASCADE)',
      'CREATE TABLE q (id INT PRIMARY KEY)',
      `CREATE TABLE c (id INT PRIMARY KEY, p INT, q INT, self INT, KEY (self),
        FOREIGN KEY (p) REFERENCES p (id) ON DELETE SET NULL,
        FOREIGN KEY (q) REFERENCES q (id),
        FOREIGN KEY (self) REFERENCES c (id) ON DELETE CASCADE)`,
    )
    const of = (name: string, onDelete: boolean, onUpdate: string[]) => ({
      database: database.name,
      name,
      onDelete,
      onUpdate,
    })
    expect((await database.table('c')).parents).to.have.deep.members([
      of('p', true, []),
      of('c', true, []),
      of('g', false, ['code']),
    ])
    expect((await database.table('q')).parents).to.deep.equal([])
  })
})

describe('source/mariadb/definition', () => {
  const parse = (lines: string[]) =>
    parseDefinition(`CREATE TABLE \`t\` (\n  ${lines.join(',\n  ')}\n) ENGINE=InnoDB`, 'app')

  it('finds the columns of JSON, but not in comments and defaults', () => {
    const { json } = parse([
      '`a` longtext DEFAULT NULL CHECK (json_valid(`a`))',
      "`b` text DEFAULT 'CHECK (json_valid(`b`))'",
      "`c` text COMMENT 'it\\'s '' CHECK (json_valid(`c`)) \\\\'",
      '`d``e` text CHECK (json_valid(`d``e`))',
      '`f` text CHECK (json_valid(`f`) and `f` <> 1)',
      'CONSTRAINT `g` CHECK (json_valid(`h`))',
    ])
    expect([...json]).to.deep.equal(['a', 'd`e', 'h'])
  })

  it('finds the foreign keys that change rows', () => {
    const { parents } = parse([
      'CONSTRAINT `1` FOREIGN KEY (`a`, `b`) REFERENCES `other`.`x``y` (`c`, `d`) ON DELETE CASCADE ON UPDATE SET NULL',
      'CONSTRAINT `2` FOREIGN KEY (`a (x), ``y`) REFERENCES `z (q)` (`c (x)`) ON UPDATE CASCADE',
      'CONSTRAINT `3` FOREIGN KEY (`a`) REFERENCES `no` (`c`) ON DELETE NO ACTION',
      'CONSTRAINT `4` FOREIGN KEY (`a`) REFERENCES `no` (`c`)',
      "`k` text COMMENT 'FOREIGN KEY (`a`) REFERENCES `no` (`c`) ON DELETE CASCADE'",
    ])
    expect(parents).to.deep.equal([
      { database: 'other', name: 'x`y', onDelete: true, onUpdate: ['c', 'd'] },
      { database: 'app', name: 'z (q)', onDelete: false, onUpdate: ['c (x)'] },
    ])
  })
})
