/**
 * What a peer sent can't be followed: its connection ends, alone.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}
