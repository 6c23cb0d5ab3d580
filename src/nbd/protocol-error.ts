/**
 * The peer violated the protocol, so its connection ends. Other connections are not affected.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}
