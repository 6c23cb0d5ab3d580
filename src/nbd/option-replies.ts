/**
 * Encodes the server's messages of the handshake.
 */
import {
  IHAVEOPT,
  MAX_PAYLOAD,
  NBD_FLAG_FIXED_NEWSTYLE,
  NBD_FLAG_NO_ZEROES,
  NBD_INFO_BLOCK_SIZE,
  NBD_INFO_EXPORT,
  NBD_INFO_NAME,
  NBD_REP_INFO,
  NBD_REP_MAGIC,
  NBD_REP_META_CONTEXT,
  NBD_REP_SERVER,
  NBDMAGIC,
} from './constants.js'
import { type Export, flagsOf } from './export.js'

const EXPORT_NAME_ZEROES = 124

/** The first bytes of a connection. */
export function greeting(): Buffer {
  const bytes = Buffer.alloc(18)
  bytes.writeBigUInt64BE(NBDMAGIC, 0)
  bytes.writeBigUInt64BE(IHAVEOPT, 8)
  bytes.writeUInt16BE(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES, 16)
  return bytes
}

/** A reply to an option. In an error reply, `data` is the message. */
export function optionReply(option: number, type: number, data: Buffer | string = ''): Buffer {
  const payload = Buffer.from(data)
  const head = Buffer.alloc(20)
  head.writeBigUInt64BE(NBD_REP_MAGIC, 0)
  head.writeUInt32BE(option, 8)
  head.writeUInt32BE(type, 12)
  head.writeUInt32BE(payload.length, 16)
  return Buffer.concat([head, payload])
}

/** An export's name, for LIST. */
export function serverReply(option: number, name: string): Buffer {
  const text = Buffer.from(name)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length, 0)
  return optionReply(option, NBD_REP_SERVER, Buffer.concat([length, text]))
}

export function contextReply(option: number, id: number, name: string): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(id, 0)
  return optionReply(option, NBD_REP_META_CONTEXT, Buffer.concat([head, Buffer.from(name)]))
}

/** The information about an export, for INFO and GO. */
export function infoReplies(option: number, exported: Export, isStructured: boolean): Buffer {
  const about = Buffer.alloc(12)
  about.writeUInt16BE(NBD_INFO_EXPORT, 0)
  about.writeBigUInt64BE(BigInt(exported.sizeBytes), 2)
  about.writeUInt16BE(flagsOf(exported, isStructured), 10)
  const sizes = Buffer.alloc(14)
  sizes.writeUInt16BE(NBD_INFO_BLOCK_SIZE, 0)
  sizes.writeUInt32BE(1, 2)
  sizes.writeUInt32BE(exported.partition.blockSize, 6)
  sizes.writeUInt32BE(MAX_PAYLOAD, 10)
  const name = Buffer.concat([Buffer.from([0, NBD_INFO_NAME]), Buffer.from(exported.name)])
  return Buffer.concat([about, sizes, name].map((data) => optionReply(option, NBD_REP_INFO, data)))
}

/** The reply to EXPORT_NAME, which does not have the format of option replies. */
export function exportNameReply(exported: Export, isStructured: boolean, hasZeroes: boolean): Buffer {
  const bytes = Buffer.alloc(10 + (hasZeroes ? EXPORT_NAME_ZEROES : 0))
  bytes.writeBigUInt64BE(BigInt(exported.sizeBytes), 0)
  bytes.writeUInt16BE(flagsOf(exported, isStructured), 8)
  return bytes
}
