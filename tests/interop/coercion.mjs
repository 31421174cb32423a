// Signs and checks documents as JavaScript means them, which docs/protocol.md goes by:
//
//   node coercion.mjs make '{"count":N,"seed":N,..}'   prints N random documents, one a line
//   node coercion.mjs check '{..}'                     checks the documents on its input
//
// Both also need "secret", "identity" (the sender's seed, in hex) and "recipient" (a key, in hex);
// `make` needs "timestamp". Each random message has the type "coercion"; its other keys and values
// are scalars of every kind, and the same value is spelled in many ways.
import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'

const DIGITS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
// What stands before the 32 bytes of an Ed25519 seed in PKCS #8.
const PKCS8 = '302e020100300506032b657004220420'
const KEYS = ['__proto__', 'constructor', 'toString', 'timestamp', 'publicKey', '', '0', '9', '10',
  '-1', '1e3', 'a=b&c', 'A', 'a', 'é', '\ud800', '\ufffd', '\uffff', '😀']
const NUMBERS = ['-0', '0', '-0.0e9', '1e21', '1e20', '999999999999999999999', '5e-324', '2e-324',
  '1e-6', '1e-7', '0.1e1', '9007199254740993', '9007199254740991', '1.7976931348623157e308',
  '2.2250738585072011e-308', '4.35', '0.3', '123456789012345678901234567890', '1E+5', '1e-400']

const [mode, settings] = [process.argv[2], JSON.parse(process.argv[3])]
const der = Buffer.from(PKCS8 + settings.identity, 'hex')
const identity = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
const swarmKey = Buffer.from(createPublicKey(identity).export({ format: 'jwk' }).x, 'base64url')
const sender = base58(swarmKey)
const random = generator(settings.seed)

if (mode === 'make') {
  for (let i = 0; i < settings.count; i++) console.log(document(message(), settings.timestamp))
} else {
  const lines = readFileSync(0, 'utf8').split('\n').filter(line => line !== '')
  for (const line of lines) check(line)
  console.log(lines.length)
}

function check (line) {
  const { message, timestamp, signature, attestation } = JSON.parse(line)
  assert.equal(signature, mac(message, timestamp), `signature of ${line}`)
  if (attestation === undefined) return
  const bytes = Buffer.from(attestation, 'hex')
  assert.ok(verify(null, attested(message, timestamp), identity, bytes), `attestation of ${line}`)
}

// A document whose message is spelled as `text`.
function document (text, timestamp) {
  const message = JSON.parse(text)
  const parts = [
    ['message', text],
    ['timestamp', JSON.stringify(timestamp)],
    ['signature', JSON.stringify(mac(message, timestamp))]
  ]
  const whole = Object.entries(message).flat()
    .every(value => typeof value !== 'string' || value.isWellFormed())
  if (whole) {
    const attestation = sign(null, attested(message, timestamp), identity).toString('hex')
    parts.push(['attestation', JSON.stringify(attestation)])
  }
  return object(parts)
}

// The signature covers the message's pairs, the time and the sender, in the order of their keys.
function mac (message, timestamp) {
  const covered = { ...message, timestamp, publicKey: sender }
  const text = Object.keys(covered).sort().map(key => `${key}=${covered[key]}`).join('&')
  return createHmac('sha256', settings.secret).update(text).digest('hex')
}

function attested (message, timestamp) {
  const pairs = Object.keys(message).sort()
    .map(key => `${JSON.stringify(key)}:${JSON.stringify(message[key])}`)
  const canonical = `{"message":{${pairs.join(',')}},"timestamp":${timestamp}}`
  return Buffer.from(`tightrope/1 attestation\n${canonical}\n${settings.recipient}`)
}

function message () {
  const pairs = new Map([['type', '"coercion"']])
  for (let i = below(6); i > 0; i--) {
    const key = below(2) ? pick(KEYS) : string()
    if (!pairs.has(key)) pairs.set(key, scalar())
  }
  return object([...pairs].map(([key, value]) => [spelled(key), value]), true)
}

function object (pairs, hasSpelledKeys = false) {
  const entry = ([key, value]) =>
    `${space()}${hasSpelledKeys ? key : JSON.stringify(key)}${space()}:${space()}${value}${space()}`
  return `{${pairs.map(entry).join(',')}}`
}

function scalar () {
  const kind = below(10)
  if (kind < 4) return number()
  if (kind < 8) return spelled(string())
  return pick(['null', 'true', 'false'])
}

function number () {
  const digits = count => Array.from({ length: count }, () => below(10)).join('')
  const makers = [
    () => pick(NUMBERS),
    () => String(below(2 ** 31)),
    () => String(new Float64Array(new Uint32Array([below(2 ** 32), below(2 ** 32)]).buffer)[0]),
    () => `${pick(['', '-'])}${1 + below(9)}${digits(below(40))}`,
    () => `${pick(['', '-'])}${below(10)}.${digits(1 + below(25))}`,
    () => `${pick(['', '-'])}${below(10)}.${digits(1 + below(20))}${pick(['e', 'E', 'e+', 'e-'])}` +
      `${pick(['', '0'])}${below(330)}`
  ]
  for (;;) {
    const text = pick(makers)()
    if (!/NaN|Infinity/.test(text) && Number.isFinite(JSON.parse(text))) return text
  }
}

function string () {
  const makers = [
    () => String.fromCharCode(0x20 + below(0x5f)),
    () => String.fromCharCode(below(0x20)),
    () => pick(['"', '\\', '/', '=', '&', '\u007f', '\u2028', '\u2029', '\ufeff']),
    () => String.fromCharCode(below(0x10000)),
    () => String.fromCharCode(0xd800 + below(0x800)),
    () => String.fromCodePoint(0x10000 + below(0x100000))
  ]
  return Array.from({ length: below(12) }, () => pick(makers)()).join('')
}

// A string as JSON: as JSON.stringify gives it, or with every code unit escaped.
function spelled (text) {
  if (below(2)) return JSON.stringify(text)
  const hex = unit => unit.charCodeAt(0).toString(16).padStart(4, '0')
  const escaped = text.split('').map(unit => `\\u${below(2) ? hex(unit) : hex(unit).toUpperCase()}`)
  return `"${escaped.join('')}"`
}

function space () {
  return below(8) ? '' : pick([' ', '\t', '\r', '  '])
}

function pick (list) {
  return list[below(list.length)]
}

function below (end) {
  return Math.floor(random() * end)
}

// Mulberry32: the same numbers for the same seed.
function generator (seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function base58 (bytes) {
  let number = BigInt(`0x${bytes.toString('hex')}`)
  let text = ''
  for (; number > 0n; number /= 58n) text = DIGITS[Number(number % 58n)] + text
  const zeros = bytes.findIndex(byte => byte !== 0)
  return DIGITS[0].repeat(zeros) + text
}
