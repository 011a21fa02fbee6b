import { expect } from 'chai'
import { promised } from '../../../lib/source/mariadb/pool.ts'
import { comparePositions as compare, parsePosition } from '../../../lib/source/mariadb/position.ts'
import { eachLogDatabase, type LogDatabase, type LogFollower } from './log-database.ts'

const MADE = 'CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(20))'
const user = (id: number, name: string | null) => JSON.stringify({ _id: id, id, name })

describe('source/mariadb/following', () => {
  let db: LogDatabase
  eachLogDatabase('shared', MADE, (database) => {
    db = database
  })

  describe('rows', () => {
    it('reports inserts, updates and deletes with the documents before and after', async () => {
      const follower = await db.follow(['users'])
      await db.run(
        "INSERT INTO users VALUES (1, 'Ada'), (2, NULL)",
        "UPDATE users SET name = 'Grace' WHERE id = 2",
        'DELETE FROM users WHERE id = 1',
      )
      await follower.caughtUp()
      const { changesSeen } = follower.recorder
      expect(changesSeen.map((change) => ('before' in change ? change.before : undefined))).to.deep.equal([
        undefined,
        undefined,
        { _id: 2, id: 2, name: null },
        { _id: 1, id: 1, name: 'Ada' },
      ])
      expect(await follower.told()).to.deep.equal([
        `insert users 1 ${user(1, 'Ada')}`,
        `insert users 2 ${user(2, null)}`,
        `update users 2 ${user(2, 'Grace')}`,
        'delete users 1',
      ])
    })

    it('reports a changed key as a delete and an insert, and a write without a difference not at all', async () => {
      await db.run("INSERT INTO users VALUES (1, 'Ada')")
      const follower = await db.follow(['users'])
      await db.run("UPDATE users SET name = 'Ada'", 'UPDATE users SET id = 3')
      expect(await follower.told()).to.deep.equal(['delete users 1', `insert users 3 ${user(3, 'Ada')}`])
    })

    it('joins the changes of a transaction, and leaves out one that was rolled back', async () => {
      const follower = await db.follow(['users'])
      await db.run(
        'BEGIN',
        "INSERT INTO users VALUES (1, 'a')",
        "INSERT INTO users VALUES (2, 'b')",
        'COMMIT',
        'BEGIN',
        "INSERT INTO users VALUES (3, 'c')",
        'ROLLBACK',
        "INSERT INTO users VALUES (4, 'd')",
      )
      await follower.caughtUp()
      const names = follower.recorder.changesSeen.map(({ transaction }) => transaction)
      expect(names[0]).to.equal(names[1])
      expect(names[2]).not.to.equal(names[1])
      expect(await follower.told()).to.have.length(3)
    })

    it('reports positions that ascend, also where nobody follows a table', async () => {
      await db.run('CREATE TABLE others (id INT PRIMARY KEY)')
      const follower = await db.follow(['users'])
      const before = follower.recorder.position
      await db.run('INSERT INTO others VALUES (1)')
      await follower.caughtUp()
      expect(follower.recorder.changesSeen).to.deep.equal([])
      expect(follower.recorder.position).not.to.equal(before)
      await db.run("INSERT INTO users VALUES (1, 'a'), (2, 'b')", 'UPDATE users SET id = id + 10')
      await follower.caughtUp()
      expectAscending(follower)
    })

    it('gives a change the same position on every node, whatever other tables a node follows', async () => {
      await db.run('CREATE TABLE others (id INT PRIMARY KEY, name VARCHAR(20))')
      const nodes = await Promise.all([db.follow(['users']), db.follow(['users', 'others'])])
      await db.run(
        'BEGIN',
        "INSERT INTO others VALUES (1, 'x'), (2, 'y')",
        "INSERT INTO users VALUES (1, 'a'), (2, 'b')",
        'DELETE FROM others',
        "UPDATE users SET name = 'c'",
        'COMMIT',
      )
      const seen = await Promise.all(
        nodes.map(async (node) => {
          await node.caughtUp()
          return node.recorder.changesSeen
            .filter(({ collection }) => collection === 'users')
            .map(({ position }) => position)
        }),
      )
      expect(seen[0]).to.have.length(4)
      expect(seen[1]).to.deep.equal(seen[0])
    })

    it('reports LOAD DATA, INSERT ... SELECT, REPLACE and a trigger’s writes', async () => {
      await db.run(
        'CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20))',
        'CREATE TRIGGER copy AFTER INSERT ON users FOR EACH ROW INSERT INTO log (name) VALUES (NEW.name)',
      )
      const follower = await db.follow(['users', 'log'])
      await db.run(
        "INSERT INTO users SELECT seq, 'x' FROM seq_1_to_2",
        "REPLACE INTO users VALUES (1, 'y')",
        "INSERT INTO users VALUES (2, 'z') ON DUPLICATE KEY UPDATE name = 'z'",
      )
      expect(await follower.told()).to.include.members([
        `insert users 1 ${user(1, 'x')}`,
        `insert log 1 ${user(1, 'x')}`,
        `update users 2 ${user(2, 'z')}`,
      ])
    })

    it('reports an UPDATE of 100,000 rows as one transaction', async function () {
      this.timeout(60_000)
      await db.run("INSERT INTO users SELECT seq, 'x' FROM seq_1_to_100000")
      const follower = await db.follow(['users'])
      await db.run("UPDATE users SET name = 'y'")
      await follower.caughtUp()
      const { changesSeen } = follower.recorder
      expect(changesSeen).to.have.length(100_000)
      expect(new Set(changesSeen.map(({ transaction }) => transaction))).to.have.property('size', 1)
      expectAscending(follower)
    })

    it('reports the rows of a table that is created from a query as a reload', async () => {
      const follower = await db.follow(['users', 'made'])
      await db.run(
        "INSERT INTO users VALUES (1, 'a')",
        'CREATE TABLE made (PRIMARY KEY (id)) SELECT * FROM users',
      )
      expect(await follower.told()).to.deep.equal([`insert users 1 ${user(1, 'a')}`, 'reload made'])
      await db.run("INSERT INTO made VALUES (2, 'b')")
      expect(await follower.told()).to.satisfy(isReloadOr('made', `insert made 2 ${user(2, 'b')}`))
    })
  })

  describe('what a log of rows may lack', () => {
    it('reloads all tables after a statement of a session with binlog_format=STATEMENT', async () => {
      await db.run('CREATE TABLE others (id INT PRIMARY KEY)')
      const follower = await db.follow(['users', 'others'])
      await db.run("SET binlog_format = 'STATEMENT'", "INSERT INTO users VALUES (1, 'a')")
      expect(await follower.told()).to.have.members(['reload users', 'reload others'])
    })

    it('reloads a table after a session with another binlog_row_image', async () => {
      await db.run("INSERT INTO users VALUES (1, 'a'), (2, 'b')")
      const follower = await db.follow(['users'])
      for (const image of ['MINIMAL', 'NOBLOB']) {
        await db.run(`SET binlog_row_image = '${image}'`, `UPDATE users SET name = '${image}'`)
        const told = await follower.told()
        // NOBLOB leaves out nothing of a table without such columns.
        if (image === 'MINIMAL') expect(told).to.deep.equal(['reload users'])
        else expect(told).to.have.length(2)
      }
      await db.run("INSERT INTO users VALUES (3, 'c')")
      expect(await follower.told()).to.deep.equal([`insert users 3 ${user(3, 'c')}`])
    })

    it('reloads the children of a foreign key that cascades, as far as it goes, and only then', async () => {
      await db.run(
        `CREATE TABLE teams (id INT PRIMARY KEY, name INT)`,
        `CREATE TABLE members (id INT PRIMARY KEY, team INT,
          FOREIGN KEY (team) REFERENCES teams (id) ON DELETE CASCADE ON UPDATE CASCADE)`,
        `CREATE TABLE notes (id INT PRIMARY KEY, member INT,
          FOREIGN KEY (member) REFERENCES members (id) ON DELETE SET NULL)`,
        'INSERT INTO teams VALUES (1, 1), (2, 2)',
        'INSERT INTO members VALUES (1, 1), (2, 2)',
        'INSERT INTO notes VALUES (1, 1), (2, 2)',
      )
      const follower = await db.follow(['members', 'notes'])
      await db.run('UPDATE teams SET name = 5', 'INSERT INTO teams VALUES (3, 3)')
      expect(await follower.told()).to.deep.equal([])
      await db.run('UPDATE teams SET id = 4 WHERE id = 2')
      expect(await follower.told()).to.include('reload members')
      await db.run('DELETE FROM teams WHERE id = 1')
      expect(await follower.told()).to.have.members(['reload members', 'reload notes'])
    })

    it('reloads tables after ROLLBACK TO in a transaction with another engine', async () => {
      await db.run('CREATE TABLE journal (id INT PRIMARY KEY) ENGINE = MyISAM')
      const follower = await db.follow(['users'])
      const parts = (journal: string) => [
        'BEGIN',
        "INSERT INTO users VALUES (1, 'a')",
        'SAVEPOINT here',
        "INSERT INTO users VALUES (2, 'b')",
        journal,
        'ROLLBACK TO here',
        "INSERT INTO users VALUES (3, 'c')",
        'COMMIT',
      ]
      await db.run(...parts('INSERT INTO journal VALUES (1)'))
      const told = await follower.told()
      expect(told).to.include('reload users')
      expect(told.lastIndexOf('reload users')).to.be.greaterThan(
        told.indexOf(`insert users 2 ${user(2, 'b')}`),
      )
      await db.run('DELETE FROM users')
      await follower.told()
      await db.run(...parts('SELECT 1'))
      expect(await follower.told()).to.deep.equal([
        `insert users 1 ${user(1, 'a')}`,
        `insert users 3 ${user(3, 'c')}`,
      ])
    })

    it('reports a transaction of XA when it commits, and not when it is prepared or rolled back', async () => {
      const follower = await db.follow(['users'])
      const prepare = (xid: string, id: number) =>
        db.run(
          `XA START '${xid}'`,
          `INSERT INTO users VALUES (${id}, 'x')`,
          `XA END '${xid}'`,
          `XA PREPARE '${xid}'`,
        )
      await prepare('one', 1)
      await prepare('two', 2)
      await db.run("INSERT INTO users VALUES (3, 'y')")
      expect(await follower.told()).to.deep.equal([`insert users 3 ${user(3, 'y')}`])
      // A node that begins between the two steps does not know the rows.
      const late = await db.follow(['users'])
      await db.run("XA ROLLBACK 'one'", "XA COMMIT 'two'")
      // A read right after the commit may lack the rows, so that the table is read again a moment later.
      const { changesSeen } = follower.recorder
      await follower.recorder.until(() => changesSeen.length >= 2)
      expect(await follower.told()).to.deep.equal([`insert users 2 ${user(2, 'x')}`, 'reload users'])
      await late.recorder.until(() => late.recorder.changesSeen.length >= 2)
      expect(await late.told()).to.deep.equal(['reload users', 'reload users'])
      expectAscending(follower)
    })

    it('reloads tables for a prepared transaction of before they were followed', async () => {
      await db.run('CREATE TABLE others (id INT PRIMARY KEY, name VARCHAR(20))')
      const follower = await db.follow(['users'])
      await db.run(
        "XA START 'late'",
        "INSERT INTO others VALUES (1, 'x')",
        "XA END 'late'",
        "XA PREPARE 'late'",
      )
      await follower.caughtUp()
      follower.refer('others')
      await follower.following.prepare('others')
      expect(await follower.told()).to.deep.equal(['reload others'])
      await db.run("XA COMMIT 'late'")
      expect(await follower.told()).to.include('reload others')
    })

    it('follows a log with compressed events', async () => {
      await db.run('SET GLOBAL log_bin_compress = ON', 'SET GLOBAL log_bin_compress_min_len = 10')
      try {
        const follower = await db.follow(['users'])
        await db.run("INSERT INTO users SELECT seq, 'xxxxxxxxxxxxxxxx' FROM seq_1_to_200")
        await db.run(`ALTER TABLE users /* ${'x'.repeat(300)} */ COMMENT 'a'`)
        const told = await follower.told()
        expect(told).to.have.length(201)
        expect(told.at(-1)).to.equal('reload users')
      } finally {
        await db.run('SET GLOBAL log_bin_compress = OFF', 'SET GLOBAL log_bin_compress_min_len = 256')
      }
    })

    it('follows a log that goes on without checksums, and back again', async () => {
      const follower = await db.follow(['users'])
      try {
        await db.run('SET GLOBAL binlog_checksum = NONE', "INSERT INTO users VALUES (1, 'a')")
        expect(await follower.told()).to.deep.equal([`insert users 1 ${user(1, 'a')}`])
      } finally {
        await db.run('SET GLOBAL binlog_checksum = CRC32')
      }
      await db.run("INSERT INTO users VALUES (2, 'b'), (3, 'c')")
      expect(await follower.told()).to.deep.equal([
        `insert users 2 ${user(2, 'b')}`,
        `insert users 3 ${user(3, 'c')}`,
      ])
      expect(follower.recorder.losses).to.deep.equal([])
    })

    it('resumes in a file that was written without checksums', async () => {
      await db.run('SET GLOBAL binlog_checksum = NONE')
      const from = await db.files.present()
      await db.run("INSERT INTO users VALUES (1, 'a'), (2, 'b')", 'SET GLOBAL binlog_checksum = CRC32')
      await db.run("INSERT INTO users VALUES (3, 'c')")
      const follower = await db.follow(['users'], from)
      expect(follower.following.startPosition).to.equal(from)
      expect(await follower.told()).to.deep.equal(
        ['a', 'b', 'c'].map((name, index) => `insert users ${index + 1} ${user(index + 1, name)}`),
      )
    })
  })

  describe('changed tables', () => {
    it('clears a table after TRUNCATE, and reports the rows that follow', async () => {
      const follower = await db.follow(['users'])
      await db.run(
        "INSERT INTO users VALUES (1, 'a')",
        'TRUNCATE users',
        "INSERT INTO users VALUES (2, 'b')",
        `/* why */ truncate table \`${db.name}\`.\`users\``,
      )
      expect(await follower.told()).to.deep.equal([
        `insert users 1 ${user(1, 'a')}`,
        'clear users',
        `insert users 2 ${user(2, 'b')}`,
        'clear users',
      ])
    })

    it('reloads a table after ALTER, RENAME, DROP and CREATE, and never reports rows of another form', async () => {
      await db.run("INSERT INTO users VALUES (1, 'a')")
      const follower = await db.follow(['users'])
      await db.run(
        'ALTER TABLE users ADD COLUMN age INT FIRST',
        "INSERT INTO users VALUES (7, 2, 'b')",
        'ALTER TABLE users DROP COLUMN age, CHANGE name title VARCHAR(30)',
        "INSERT INTO users VALUES (3, 'c')",
        'RENAME TABLE users TO people',
        "INSERT INTO people VALUES (4, 'd')",
        MADE,
        "INSERT INTO users VALUES (5, 'e')",
        'DROP TABLE users',
        MADE.replace('INT PRIMARY KEY', 'VARCHAR(10) PRIMARY KEY'),
        "INSERT INTO users VALUES ('6', 'f')",
      )
      const told = await follower.told()
      expect(told.filter((text) => text !== 'reload users')).to.satisfy((texts: string[]) =>
        texts.every((text) => text === 'insert users "6" {"_id":"6","id":"6","name":"f"}'),
      )
      expect(told[0]).to.equal('reload users')
      expect(follower.recorder.errors).to.deep.equal([])
      await eventually(async () => {
        await db.run("UPDATE users SET name = CONCAT(name, 'x')")
        return (await follower.told())[0]?.startsWith('update users "6"') === true
      })
    })

    it('reloads a table for rows of before an ALTER that it knows already', async () => {
      for (const change of [
        'DROP COLUMN name, ADD COLUMN title VARCHAR(20)',
        'MODIFY title INT',
        'DROP PRIMARY KEY, ADD PRIMARY KEY (title)',
      ]) {
        const from = await db.files.present()
        await db.run('INSERT INTO users VALUES (1, 5)', 'DELETE FROM users', `ALTER TABLE users ${change}`)
        const follower = await db.follow(['users'], from)
        expect(await follower.told(), change).to.deep.equal(['reload users', 'reload users', 'reload users'])
      }
    })

    it('follows a database that is named as a property of each object', async () => {
      await db.run('CREATE DATABASE `constructor`', 'CREATE TABLE `constructor`.users (id INT PRIMARY KEY)')
      try {
        const follower = await db.follow(['constructor.users', 'users'])
        await db.run('INSERT INTO `constructor`.users VALUES (1)')
        expect(await follower.told()).to.deep.equal(['insert constructor.users 1 {"_id":1,"id":1}'])
      } finally {
        await db.run('DROP DATABASE `constructor`')
      }
    })

    it('reloads a table whose database is dropped', async () => {
      const other = `${db.name}_other`
      await db.run(`CREATE DATABASE ${other}`, `CREATE TABLE ${other}.things (id INT PRIMARY KEY)`)
      const follower = await db.follow([`${other}.things`, 'users'])
      await db.run(`DROP DATABASE ${other}`)
      expect(await follower.told())
        .to.include(`reload ${other}.things`)
        .and.not.include('reload users')
    })

    it('reports no changes of a table that can’t be shown any more, and all once it can', async () => {
      const follower = await db.follow(['users'])
      await db.run('ALTER TABLE users DROP PRIMARY KEY')
      expect(await follower.told()).to.deep.equal(['reload users'])
      // Several times: rows are a reload until it is known that the table can't be shown.
      await eventually(async () => {
        await db.run("INSERT INTO users SELECT COALESCE(MAX(id), 0) + 1, 'a' FROM users")
        return (await follower.told()).length === 0
      })
      expect(follower.recorder.errors, 'a failure of all tables').to.deep.equal([])
      await db.run('ALTER TABLE users ADD PRIMARY KEY (id)')
      await follower.told()
      await eventually(async () => {
        await db.run("INSERT INTO users SELECT COALESCE(MAX(id), 0) + 1, 'z' FROM users")
        return (await follower.told()).some((text) => text.startsWith('insert users'))
      })
    })

    it('rejects the opening if no table can be shown, with the reason', async () => {
      await db.run('CREATE VIEW seen AS SELECT * FROM users')
      const follower = db.follower(['seen'])
      const error = await follower.following.opened.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).to.have.property('code', 'INVALID_OPTION')
    })

    it('reads a table again that is followed later on, and reports its changes from there', async () => {
      await db.run('CREATE TABLE others (id INT PRIMARY KEY, name VARCHAR(20))')
      const follower = await db.follow(['users'])
      follower.refer('others')
      await follower.following.prepare('others')
      await db.run("INSERT INTO others VALUES (1, 'x')")
      expect(await follower.told()).to.deep.equal(['reload others', `insert others 1 ${user(1, 'x')}`])
      expectAscending(follower)
    })
  })

  describe('a lost connection', () => {
    it('goes on where it was after the dump’s session was killed, without a gap or a repetition', async () => {
      const follower = await db.follow(['users'])
      await db.run("INSERT INTO users VALUES (1, 'a')")
      await follower.caughtUp()
      expect(await db.cutDumps()).to.be.greaterThan(0)
      await db.run("INSERT INTO users VALUES (2, 'b')")
      expect(await follower.told()).to.deep.equal([
        `insert users 1 ${user(1, 'a')}`,
        `insert users 2 ${user(2, 'b')}`,
      ])
      expect(follower.recorder.losses).to.deep.equal([])
    })

    it('follows on several nodes at once', async () => {
      const nodes = await Promise.all([db.follow(['users']), db.follow(['users']), db.follow(['users'])])
      await db.run("INSERT INTO users VALUES (1, 'a')")
      for (const node of nodes) expect(await node.told()).to.deep.equal([`insert users 1 ${user(1, 'a')}`])
      expect(nodes.flatMap((node) => node.recorder.errors)).to.deep.equal([])
    })

    it('starts at a position of before, and reports all that came since', async () => {
      const from = await db.files.present()
      await db.run("INSERT INTO users VALUES (1, 'a')", 'FLUSH LOGS', "INSERT INTO users VALUES (2, 'b')")
      const follower = await db.follow(['users'], from)
      expect(follower.following.startPosition).to.equal(from)
      expect(await follower.told()).to.deep.equal([
        `insert users 1 ${user(1, 'a')}`,
        `insert users 2 ${user(2, 'b')}`,
      ])
    })

    it('reports changes again that the listener did not take', async () => {
      const follower = await db.follow(['users'])
      const { recorder } = follower
      const take = recorder.changes
      recorder.changes = () => {
        recorder.changes = take
        throw new Error('not now')
      }
      await db.run("INSERT INTO users VALUES (1, 'a')")
      expect(await follower.told()).to.deep.equal([`insert users 1 ${user(1, 'a')}`])
      expect(recorder.errors.map(String)).to.deep.equal(['Error: not now'])
    })

    it('starts within a transaction, and reports its later changes alone', async () => {
      const follower = await db.follow(['users'])
      await db.run("INSERT INTO users VALUES (1, 'a'), (2, 'b'), (3, 'c')")
      await follower.caughtUp()
      const second = await db.follow(['users'], follower.recorder.changesSeen[1]?.position)
      expect(await second.told()).to.deep.equal([`insert users 3 ${user(3, 'c')}`])
    })
  })
})

describe('source/mariadb/following, and what happens to a server', () => {
  let db: LogDatabase
  eachLogDatabase('own', MADE, (database) => {
    db = database
  })

  it('goes on over FLUSH LOGS and PURGE of files that were read', async () => {
    const follower = await db.follow(['users'])
    await db.run("INSERT INTO users VALUES (1, 'a')", 'FLUSH LOGS', "INSERT INTO users VALUES (2, 'b')")
    expect(await follower.told()).to.have.length(2)
    await db.run(
      'FLUSH LOGS',
      'PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY',
      "INSERT INTO users VALUES (3, 'c')",
    )
    expect(await follower.told()).to.have.length(1)
    expect(follower.recorder.losses).to.deep.equal([])
    expectAscending(follower)
  })

  it('tells the loss of the history once the server’s clock goes back, and goes on from there', async () => {
    const follower = await db.follow(['users'])
    await db.run("INSERT INTO users VALUES (1, 'a')")
    await follower.told()
    await db.run('SET timestamp = 1000000000', 'FLUSH BINARY LOGS')
    await follower.recorder.until(() => follower.recorder.losses.length > 0)
    expect(follower.recorder.losses[0]?.reason).to.include('time')
    await follower.told()
    await db.run("INSERT INTO users VALUES (2, 'b')")
    expect(await follower.told()).to.deep.equal([`insert users 2 ${user(2, 'b')}`])
    await db.run('FLUSH BINARY LOGS', "INSERT INTO users VALUES (3, 'c')")
    expect(await follower.told()).to.deep.equal([`insert users 3 ${user(3, 'c')}`])
    expect(follower.recorder.losses).to.have.length(1)
  })

  it('tells the loss of the history after RESET MASTER', async () => {
    const follower = await db.follow(['users'])
    await db.run('FLUSH LOGS', "INSERT INTO users VALUES (1, 'a')")
    await follower.told()
    await db.run('RESET MASTER', "INSERT INTO users VALUES (2, 'b')")
    await follower.recorder.until(() => follower.recorder.losses.length > 0)
    expect(follower.recorder.losses[0]?.reason).to.include('RESET MASTER')
    await db.run("INSERT INTO users VALUES (3, 'c')")
    expect((await follower.told()).at(-1)).to.equal(`insert users 3 ${user(3, 'c')}`)
  })

  it('tells the loss of the history after RESET MASTER in the log’s first file, whose dump the server keeps', async () => {
    await db.run('RESET MASTER')
    const follower = await db.follower(['users'], { checkInterval: 100 }).opened()
    await db.run("INSERT INTO users VALUES (1, 'a')")
    await follower.told()
    await db.run('RESET MASTER')
    await follower.recorder.until(() => follower.recorder.losses.length > 0)
    await db.run("INSERT INTO users VALUES (2, 'b')")
    expect(await follower.told()).to.deep.equal([`insert users 2 ${user(2, 'b')}`])
  })

  it('tells the loss of the history after RESET MASTER, though the new log is longer than the old one', async () => {
    await db.run('RESET MASTER', "INSERT INTO users VALUES (1, 'a')", 'DELETE FROM users WHERE id = 1')
    const follower = await db.follower(['users'], { checkInterval: 100 }).opened()
    await db.run("INSERT INTO users VALUES (1, 'a')")
    await follower.told()
    await db.run('RESET MASTER', `INSERT INTO users SELECT seq + 10, 'some text' FROM seq_1_to_500`)
    await follower.recorder.until(() => follower.recorder.losses.length > 0)
    await db.run("INSERT INTO users VALUES (2, 'b')")
    expect((await follower.told()).at(-1)).to.equal(`insert users 2 ${user(2, 'b')}`)
  })

  it('starts anew at a position of before RESET MASTER, though the log is longer than it was', async () => {
    await db.run('FLUSH LOGS')
    const from = await db.files.present()
    const { file = 0 } = parsePosition(from) ?? {}
    await waitForNextSecond()
    await db.run('RESET MASTER')
    for (let count = 1; count < file; count += 1) await db.run('FLUSH LOGS')
    await db.run(`INSERT INTO users SELECT seq, 'some text' FROM seq_1_to_2000`)
    const follower = await db.follow(['users'], from)
    expect(follower.following.startPosition).not.to.equal(from)
    await db.run("INSERT INTO users VALUES (3000, 'c')")
    expect(await follower.told()).to.deep.equal([`insert users 3000 ${user(3000, 'c')}`])
  })

  it('starts anew at a position of a file that was purged', async () => {
    const from = await db.files.present()
    await db.purge()
    const follower = await db.follow(['users'], from)
    expect(follower.following.startPosition).not.to.equal(from)
    await db.run("INSERT INTO users VALUES (1, 'a')")
    expect(await follower.told()).to.have.length(1)
  })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    it(`goes on after the server ended by ${signal} and started again, with all that it kept`, async () => {
      const follower = await db.follow(['users'])
      await db.run("INSERT INTO users VALUES (1, 'a')")
      await follower.caughtUp()
      await db.server.restart?.(signal)
      await db.run("INSERT INTO users VALUES (2, 'b')")
      await follower.recorder.until(() => follower.recorder.changesSeen.length >= 2)
      expect(await follower.told()).to.deep.equal([
        `insert users 1 ${user(1, 'a')}`,
        `insert users 2 ${user(2, 'b')}`,
      ])
      expect(follower.recorder.losses).to.deep.equal([])
    })

  it('reports a row of more bytes than a packet has', async () => {
    await db.run('SET GLOBAL max_allowed_packet = 64 * 1024 * 1024')
    await db.run('CREATE TABLE texts (id INT PRIMARY KEY, name LONGTEXT)')
    const follower = await db.follow(['texts'])
    await db.run("INSERT INTO texts VALUES (1, REPEAT('x', 20000000))", "INSERT INTO texts VALUES (2, 'y')")
    expect((await follower.told()).map(({ length }) => length)).to.deep.equal([
      `insert texts 1 ${user(1, '')}`.length + 20_000_000,
      `insert texts 2 ${user(2, 'y')}`.length,
    ])
  })

  it('gives a frozen server up after three heartbeats, says so, and goes on once it runs', async () => {
    const follower = await db.follower(['users'], { heartbeat: 100 }).opened()
    db.server.signal?.('SIGSTOP')
    try {
      await follower.recorder.until(() => follower.recorder.errors.length > 0)
      expect(String(follower.recorder.errors[0])).to.include('heartbeat')
    } finally {
      db.server.signal?.('SIGCONT')
    }
    await db.run("INSERT INTO users VALUES (1, 'a')")
    expect(await follower.told()).to.deep.equal([`insert users 1 ${user(1, 'a')}`])
    expect(follower.recorder.losses).to.deep.equal([])
  })

  it('takes a quiet log for alive', async () => {
    const follower = await db.follower(['users'], { heartbeat: 20 }).opened()
    await eventually(async () => (await db.files.present()) !== '', 25)
    expect(follower.recorder.errors).to.deep.equal([])
  })

  it('closes while it looks for its place on a frozen server', async function () {
    this.timeout(10_000)
    // Leaves an idle connection in the pool, whose next query waits without an end.
    await promised(db.pool).query('SELECT 1')
    db.server.signal?.('SIGSTOP')
    try {
      const { following } = db.follower(['users'])
      const rejected = following.opened.catch((error: unknown) => error)
      // The first attempt begins after the current turn.
      await new Promise((resolve) => setImmediate(resolve))
      await following.close()
      expect(await rejected).to.have.property('code', 'CLOSED')
    } finally {
      db.server.signal?.('SIGCONT')
    }
  })

  it('closes while the server is frozen', async () => {
    const follower = await db.follow(['users'])
    db.server.signal?.('SIGSTOP')
    try {
      await follower.following.close()
    } finally {
      db.server.signal?.('SIGCONT')
    }
  })
})

/** Checks that the positions of a follower ascend, those of changes among them. */
function expectAscending({ recorder }: LogFollower): void {
  const { positions } = recorder
  for (const [index, position] of positions.entries()) {
    const before = positions[index - 1]
    if (before !== undefined) expect(compare(before, position), `${before} ${position}`).to.be.lessThan(0)
  }
}

function isReloadOr(collection: string, change: string): (told: string[]) => boolean {
  return (told) => told.length === 1 && [`reload ${collection}`, change].includes(told[0] ?? '')
}

/** Repeats an attempt until it succeeds, as often as needed in ten seconds. */
async function eventually(attempt: () => Promise<boolean>, times = 1): Promise<void> {
  const end = Date.now() + 10_000
  for (let successes = 0; successes < times; ) {
    if (Date.now() > end) throw new Error(`Not in time: ${attempt}`)
    if (await attempt()) successes += 1
  }
}

/** Waits for a time of another second, since files of the log are told apart by the second of their creation. */
async function waitForNextSecond(): Promise<void> {
  const second = () => Math.floor(Date.now() / 1000)
  const begin = second()
  while (second() === begin) await new Promise((resolve) => setTimeout(resolve, 20))
}
