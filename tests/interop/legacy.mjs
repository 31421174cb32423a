// A peer that speaks as the Tightrope of before did, over hyperswarm@4, and decides nothing:
//
//   node legacy.mjs '{"bootstrap":"127.0.0.1:PORT","secret":S,"publicKey":NODE,"alias":NAME}'
//
// and, where they are to differ, "announceInterval" in ms and "firewalled". It meets others under
// the SHA-256 of the secret, says hello to each on connecting and on every interval, and tells
// what happens in lines of JSON, where KEY is a peer's key in base58:
//
//   {"event":"ready","peer":KEY}         our own key
//   {"event":"joined"}                   others can find us
//   {"event":"connection","peer":KEY}
//   {"event":"message","peer":KEY,"verified":true,"age":MS,"document":{..},"bytes":LENGTH}
//   {"event":"unreadable","peer":KEY,"text":TEXT}
//   {"event":"close","peer":KEY,"error":TEXT or null}
//   {"event":"written","count":COUNT}    a command was carried out, with so many writes
//   {"event":"complaint","error":TEXT}   a command was not carried out
//
// It obeys lines of JSON on its input; without "to", all peers are meant:
//
//   {"command":"send","to":KEY,"messages":[{..},..]}  signed, each in a write, one upon the other
//       "timestamp":MS                                made at another time than the present
//       "corrupt":true                                with a signature that is not right
//       "glued":true                                  all in one write, which is no document
//   {"command":"raw","to":KEY,"hex":HEX}              bytes as they are, in one write
//   {"command":"stop"}                                leaves, and ends
//
// Written from the protocol, not from the program that spoke it first.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { createInterface } from 'node:readline'
import DHT from 'hyperdht'
import Hyperswarm from 'hyperswarm'

// How old a message may be, either way, in ms.
const AGE_MAX = 5000
// How often an idle connection is kept alive, and how long it may be silent, in ms.
const KEEPALIVE = 5000
const SILENCE_MAX = 7000
const DIGITS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

const settings = { announceInterval: 90000, firewalled: false, ...JSON.parse(process.argv[2]) }
const [host, port] = settings.bootstrap.split(':')
// Two peers on one machine that both count as firewalled do not always find through to each other.
const { firewalled } = settings
const dht = new DHT({ bootstrap: [{ host, port: Number(port) }], host, firewalled })
const swarm = new Hyperswarm({ dht })
const self = base58(swarm.keyPair.publicKey)
const sockets = new Map()

const tell = (event, details) => console.log(JSON.stringify({ event, ...details }))

swarm.on('connection', (socket, { publicKey }) => {
  const peer = base58(publicKey)
  let error = null
  socket.setKeepAlive(KEEPALIVE)
  socket.setTimeout(SILENCE_MAX)
  socket.on('data', bytes => hear(peer, bytes))
  socket.on('end', () => socket.end())
  socket.on('error', cause => { error = cause.message })
  socket.on('close', () => {
    if (sockets.get(peer) === socket) sockets.delete(peer)
    tell('close', { peer, error })
  })
  sockets.set(peer, socket)
  tell('connection', { peer })
  hello(socket)
})

tell('ready', { peer: self })
const announcing = setInterval(() => sockets.forEach(hello), settings.announceInterval)
createInterface({ input: process.stdin }).on('line', line => {
  try {
    obey(JSON.parse(line))
  } catch (cause) {
    tell('complaint', { error: cause.message })
  }
})
await swarm.join(createHash('sha256').update(settings.secret).digest()).flushed()
await swarm.flush()
tell('joined')

function hello (socket) {
  const { publicKey, alias } = settings
  socket.write(envelope({ type: 'hello', publicKey, alias }))
}

// Tells what came, and whether it is from one who knows the secret and says so at present.
function hear (peer, bytes) {
  const text = bytes.toString()
  let document
  try {
    document = JSON.parse(text)
  } catch {}
  if (typeof document !== 'object' || document === null) return tell('unreadable', { peer, text })
  const { message, timestamp, signature } = document
  const age = Date.now() - timestamp
  const expected = sign(message, timestamp, peer)
  const known = typeof signature === 'string' && signature.length === expected.length &&
    timingSafeEqual(Buffer.from(signature), Buffer.from(expected))
  const verified = known && Math.abs(age) <= AGE_MAX
  tell('message', { peer, verified, age, document, bytes: bytes.length })
}

function obey (order) {
  switch (order.command) {
    case 'send': {
      const documents = order.messages.map(message => envelope(message, order))
      return write(order.to, order.glued ? [documents.join('')] : documents)
    }
    case 'raw':
      return write(order.to, [Buffer.from(order.hex, 'hex')])
    case 'stop':
      return stop()
    default:
      throw new Error(`no such command: ${order.command}`)
  }
}

function write (to, chunks) {
  const chosen = to === undefined ? [...sockets.values()] : [sockets.get(to)]
  if (chosen.length === 0 || chosen[0] === undefined) throw new Error('no such peer')
  for (const socket of chosen) {
    for (const chunk of chunks) socket.write(chunk)
  }
  tell('written', { count: chosen.length * chunks.length })
}

async function stop () {
  clearInterval(announcing)
  await swarm.destroy()
  process.exit(0)
}

function envelope (message, { timestamp = Date.now(), corrupt = false } = {}) {
  let signature = sign(message, timestamp, self)
  if (corrupt) signature = (signature[0] === '0' ? '1' : '0') + signature.slice(1)
  return JSON.stringify({ message, timestamp, signature })
}

// The signature covers the message's pairs, the time and the sender, in the order of their keys.
function sign (message, timestamp, publicKey) {
  const covered = { ...message, timestamp, publicKey }
  const pairs = Object.keys(covered).sort().map(key => `${key}=${covered[key]}`)
  return createHmac('sha256', settings.secret).update(pairs.join('&')).digest('hex')
}

function base58 (bytes) {
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (; number > 0n; number /= 58n) text = DIGITS[Number(number % 58n)] + text
  const zeros = bytes.findIndex(byte => byte !== 0)
  return DIGITS[0].repeat(zeros) + text
}
