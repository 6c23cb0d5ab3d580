/**
 * The fixed newstyle handshake: the client's flags, then options until one of them ends it. It turns bytes into steps.
 * The caller first sends the reply of a step and then does what the step says.
 *
 *   FLAGS --flags--> OPTIONS --GO, EXPORT_NAME--> transmission
 *                            --STARTTLS--> a new handshake on the encrypted stream, which begins with OPTIONS
 *                            --ABORT--> closed
 */
import type { ByteQueue } from './byte-queue.js'
import * as nbd from './constants.js'
import type { Partition } from '../index.js'
import type { Export, Exports } from './export.js'
import { parseContexts, parseInfo } from './option-data.js'
import { contextReply, exportNameReply, infoReplies, optionReply, serverReply } from './option-replies.js'
import { ProtocolError } from './protocol-error.js'

/** `required`: the server has certificates, and the stream is not encrypted yet. */
export type TlsState = 'none' | 'required' | 'active'

/** The result of a handshake. */
export interface Agreement {
  readonly exported: Export
  readonly isStructured: boolean
  /** The client may send BLOCK_STATUS. */
  readonly hasAllocation: boolean
}

export interface Step {
  readonly reply: Buffer
  readonly then: 'options' | 'tls' | 'close' | Agreement
  /** Sent instead of the reply if the client can't be admitted and the option has an error reply. */
  readonly refusal?: Buffer
}

const ALLOCATION = 'base:allocation'
export const ALLOCATION_ID = 1
const OPTION_HEADER_BYTES = 16

const going = (reply: Buffer): Step => ({ reply, then: 'options' })

export class Handshake {
  readonly #queue: ByteQueue
  readonly #exports: Exports
  readonly #tls: TlsState
  #hasZeroes = true
  #isInOptions: boolean
  #header: { option: number; length: number } | undefined
  #toSkip = 0
  #isStructured = false
  /** The partition of the export that SET_META_CONTEXT chose base:allocation for. */
  #allocationOf: Partition | undefined

  /** Expects the client's flags first, or its options if TLS has just been established on the stream. */
  constructor(queue: ByteQueue, exports: Exports, tls: TlsState) {
    this.#queue = queue
    this.#exports = exports
    this.#tls = tls
    this.#isInOptions = tls === 'active'
  }

  /** The next step, or undefined if bytes are missing. @throws ProtocolError */
  next(): Step | undefined {
    if (!this.#isInOptions && !this.#readFlags()) return undefined
    this.#header ??= this.#readHeader()
    if (this.#header === undefined) return undefined
    const { option, length } = this.#header
    if (length > nbd.MAX_OPTION) {
      this.#toSkip -= this.#queue.skip(this.#toSkip)
      if (this.#toSkip > 0) return undefined
      this.#header = undefined
      if (option === nbd.NBD_OPT_EXPORT_NAME) throw new ProtocolError('the name of an export is too long')
      return going(
        optionReply(option, nbd.NBD_REP_ERR_TOO_BIG, `an option has at most ${nbd.MAX_OPTION} bytes of data`),
      )
    }
    if (length > 0 && !this.#queue.read(length)) return undefined
    this.#header = undefined
    const { bytes, start } = this.#queue
    return this.#answer(option, length === 0 ? Buffer.alloc(0) : bytes.subarray(start, start + length))
  }

  #readFlags(): boolean {
    if (!this.#queue.read(4)) return false
    const flags = this.#queue.bytes.readUInt32BE(this.#queue.start)
    if ((flags & ~(nbd.NBD_FLAG_C_FIXED_NEWSTYLE | nbd.NBD_FLAG_C_NO_ZEROES)) !== 0)
      throw new ProtocolError(`unknown client flags 0x${flags.toString(16)}`)
    if ((flags & nbd.NBD_FLAG_C_FIXED_NEWSTYLE) === 0)
      throw new ProtocolError('the client does not support fixed newstyle')
    this.#hasZeroes = (flags & nbd.NBD_FLAG_C_NO_ZEROES) === 0
    this.#isInOptions = true
    return true
  }

  #readHeader(): { option: number; length: number } | undefined {
    if (!this.#queue.read(OPTION_HEADER_BYTES)) return undefined
    const { bytes, start } = this.#queue
    if (bytes.readBigUInt64BE(start) !== nbd.IHAVEOPT)
      throw new ProtocolError('an option does not begin with IHAVEOPT')
    const length = bytes.readUInt32BE(start + 12)
    this.#toSkip = length
    return { option: bytes.readUInt32BE(start + 8), length }
  }

  #answer(option: number, data: Buffer): Step {
    if (option === nbd.NBD_OPT_ABORT) return { reply: optionReply(option, nbd.NBD_REP_ACK), then: 'close' }
    if (option === nbd.NBD_OPT_STARTTLS) return this.#startTls(option, data)
    if (this.#tls === 'required') {
      if (option === nbd.NBD_OPT_EXPORT_NAME)
        throw new ProtocolError('the client wants an export without TLS, which is required')
      return going(optionReply(option, nbd.NBD_REP_ERR_TLS_REQD, 'this server requires TLS'))
    }
    switch (option) {
      case nbd.NBD_OPT_EXPORT_NAME:
        return this.#exportName(data)
      case nbd.NBD_OPT_LIST:
        return this.#list(option, data)
      case nbd.NBD_OPT_INFO:
      case nbd.NBD_OPT_GO:
        return this.#info(option, data)
      case nbd.NBD_OPT_STRUCTURED_REPLY:
        if (data.length > 0) return this.#invalid(option)
        this.#isStructured = true
        return going(optionReply(option, nbd.NBD_REP_ACK))
      case nbd.NBD_OPT_LIST_META_CONTEXT:
      case nbd.NBD_OPT_SET_META_CONTEXT:
        return this.#contexts(option, data)
      default:
        return going(optionReply(option, nbd.NBD_REP_ERR_UNSUP, `option ${option} is not supported`))
    }
  }

  #startTls(option: number, data: Buffer): Step {
    if (data.length > 0 || this.#tls === 'active') return this.#invalid(option)
    if (this.#tls === 'none')
      return going(optionReply(option, nbd.NBD_REP_ERR_POLICY, 'this server has no certificate'))
    // Bytes after the option are not encrypted. An attacker may have injected them, so they must not count as the
    // client's.
    if (!this.#queue.isEmpty) throw new ProtocolError('bytes came between STARTTLS and its reply')
    return { reply: optionReply(option, nbd.NBD_REP_ACK), then: 'tls' }
  }

  #exportName(data: Buffer): Step {
    const exported = this.#exports.find(data.toString('utf8'))
    if (exported === undefined) throw new ProtocolError(`no export '${data.toString('utf8', 0, 100)}'`)
    return {
      reply: exportNameReply(exported, this.#isStructured, this.#hasZeroes),
      then: this.#agreement(exported),
    }
  }

  #list(option: number, data: Buffer): Step {
    if (data.length > 0) return this.#invalid(option)
    const names = this.#exports.found.map((name) => serverReply(option, name))
    return going(Buffer.concat([...names, optionReply(option, nbd.NBD_REP_ACK)]))
  }

  #info(option: number, data: Buffer): Step {
    const name = parseInfo(data)
    if (name === undefined) return this.#invalid(option)
    const exported = this.#exports.find(name)
    if (exported === undefined) return this.#unknown(option)
    const reply = Buffer.concat([
      infoReplies(option, exported, this.#isStructured),
      optionReply(option, nbd.NBD_REP_ACK),
    ])
    if (option !== nbd.NBD_OPT_GO) return going(reply)
    const refusal = optionReply(option, nbd.NBD_REP_ERR_POLICY, 'the server has reached its limit of clients')
    return { reply, then: this.#agreement(exported), refusal }
  }

  #contexts(option: number, data: Buffer): Step {
    const isSet = option === nbd.NBD_OPT_SET_META_CONTEXT
    if (isSet) this.#allocationOf = undefined
    const asked = this.#isStructured ? parseContexts(data) : undefined
    if (asked === undefined) return this.#invalid(option)
    const exported = this.#exports.find(asked.exportName)
    if (exported === undefined) return this.#unknown(option)
    const isWanted = isSet
      ? asked.queries.includes(ALLOCATION)
      : asked.queries.length === 0 || asked.queries.some((query) => [ALLOCATION, 'base:'].includes(query))
    if (isSet && isWanted) this.#allocationOf = exported.partition
    const contexts = isWanted ? [contextReply(option, isSet ? ALLOCATION_ID : 0, ALLOCATION)] : []
    return going(Buffer.concat([...contexts, optionReply(option, nbd.NBD_REP_ACK)]))
  }

  #agreement(exported: Export): Agreement {
    const hasAllocation = this.#allocationOf === exported.partition
    return { exported, isStructured: this.#isStructured, hasAllocation }
  }

  #unknown(option: number): Step {
    return going(
      optionReply(option, nbd.NBD_REP_ERR_UNKNOWN, 'no export has this name; LIST returns the names'),
    )
  }

  #invalid(option: number): Step {
    return going(optionReply(option, nbd.NBD_REP_ERR_INVALID, 'the data of the option is invalid here'))
  }
}
