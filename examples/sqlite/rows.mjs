// What the program writes, and what has to hold of it.
//
// Each writer (a thread of one run of the program) inserts rows with the numbers 0, 1, 2, ..., some in each transaction,
// which also counts them in another table. So a part of a transaction would show, and a row that is missing too.

export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS rows (writer TEXT, number INTEGER, text TEXT, PRIMARY KEY (writer, number)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS texts ON rows (text);
  CREATE TABLE IF NOT EXISTS counts (writer TEXT PRIMARY KEY, count INTEGER);`

/** Texts of up to 200 characters, which are in another order than the numbers. */
const textOf = (writer, number) => `${(number * 2654435761) % 2 ** 32} ${writer} `.repeat(1 + (number % 7))

/** Inserts rows from this number on; the caller makes a transaction of it. */
export function insertRows(db, writer, first, count) {
  for (let number = first; number < first + count; number++)
    db.exec({ sql: 'INSERT INTO rows VALUES (?, ?, ?)', bind: [writer, number, textOf(writer, number)] })
  db.exec({
    sql: 'INSERT INTO counts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET count = count + ?2',
    bind: [writer, count],
  })
}

/** Compares the last rows of each writer with its count, while others write. One statement sees one state of the database. */
export function checkCounts(db) {
  const wrong = db.selectArrays(`SELECT * FROM (
    SELECT writer, count, (SELECT max(number) + 1 FROM rows WHERE rows.writer = counts.writer) AS present FROM counts
  ) WHERE count IS NOT present`)
  if (wrong.length > 0) throw new Error(`a part of a transaction: ${JSON.stringify(wrong)}`)
}

/**
 * Checks the database with SQLite's own check, and every row. `acknowledged`: how many rows each writer must have at least.
 * Returns how many rows there are.
 */
export function checkAll(db, acknowledged) {
  const integrity = db.selectValues('PRAGMA integrity_check')
  if (integrity.join() !== 'ok') throw new Error(`integrity_check: ${integrity.join('\n')}`)
  db.exec(SCHEMA) // the process may have been killed before it had a table
  checkCounts(db)
  const present = new Map(db.selectArrays('SELECT writer, count(*) FROM rows GROUP BY writer'))
  const counted = new Map(db.selectArrays('SELECT writer, count FROM counts'))
  for (const [writer, count] of counted)
    if (present.get(writer) !== count) throw new Error(`${writer}: ${present.get(writer)} rows of ${count}`)
  for (const [writer, count] of acknowledged)
    if (!(present.get(writer) >= count))
      throw new Error(`${writer}: ${count} rows were acknowledged, ${present.get(writer) ?? 0} are there`)
  db.exec({
    sql: 'SELECT writer, number, text FROM rows',
    callback([writer, number, text]) {
      if (text !== textOf(writer, number)) throw new Error(`row ${number} of ${writer} is another one`)
    },
  })
  return db.selectValue('SELECT count(*) FROM rows')
}
