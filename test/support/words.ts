// The enums of words.ts at run time.

/** The names of a record's words, in their order. */
export const namesOf = (record: Readonly<Record<string, number | string>>): string[] =>
  Object.keys(record).filter((name) => name !== 'WORDS' && !/^-?\d+$/.test(name))
