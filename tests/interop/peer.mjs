// A peer of hyperswarm@4 that sends documents and tells what it hears:
//
//   node peer.mjs '{"bootstrap":"127.0.0.1:PORT","topic":HEX,"server":true,"client":true,
//                   "firewalled":true,"sizes":[BYTES,..]}'
//
// To each who connects it sends documents of these sizes at once: `n:` and as many `x` as there is
// room for, where n counts from 0. It tells what happens in lines of JSON:
//
//   {"event":"ready","peer":HEX}
//   {"event":"joined"}                        others can find us
//   {"event":"connection","peer":HEX,"initiator":BOOL}
//   {"event":"document","sha256":HEX}
//   {"event":"end"}                           the other side has ended
//   {"event":"close","error":TEXT or null}
//
// A line on its input has it take leave: destroy the swarm, and end.
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import DHT from 'hyperdht'
import Hyperswarm from 'hyperswarm'

// How often an idle connection is kept alive, and how long it may be silent, in ms: those of the
// original.
const KEEPALIVE = 5000
const SILENCE_MAX = 7000

const settings = JSON.parse(process.argv[2])
const [host, port] = settings.bootstrap.split(':')
const { server, client, firewalled } = settings
const dht = new DHT({ bootstrap: [{ host, port: Number(port) }], host: '127.0.0.1', firewalled })
const swarm = new Hyperswarm({ dht })

const tell = (event, details) => console.log(JSON.stringify({ event, ...details }))

swarm.on('connection', (socket, { publicKey }) => {
  let error = null
  socket.setKeepAlive(KEEPALIVE)
  socket.setTimeout(SILENCE_MAX)
  socket.on('data', bytes => {
    tell('document', { sha256: createHash('sha256').update(bytes).digest('hex') })
  })
  socket.on('end', () => {
    tell('end')
    socket.end()
  })
  socket.on('error', cause => { error = cause.message })
  socket.on('close', () => tell('close', { error }))
  tell('connection', { peer: publicKey.toString('hex'), initiator: socket.isInitiator })
  settings.sizes.forEach((size, n) => socket.write(Buffer.from(`${n}:`.padEnd(size, 'x'))))
})

createInterface({ input: process.stdin }).on('line', async () => {
  await swarm.destroy()
  process.exit(0)
})
tell('ready', { peer: swarm.keyPair.publicKey.toString('hex') })
await swarm.join(Buffer.from(settings.topic, 'hex'), { server, client }).flushed()
await swarm.flush()
tell('joined')
