// Has a version of `ln-service` call Lightning nodes: node ln-service.mjs PACKAGE NODES, where NODES
// is JSON: [{alias, socket, cert, macaroon}], the last two being paths. Each line on stdin is a
// call, {node, method, args}; each is answered by one line, {ok} or {error}, in the order of the
// calls. {subscribe} in the place of {method} subscribes: what happens are lines {event, args}.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [name, nodes] = process.argv.slice(2)
const module = await import(name)
const lightning = module.default ?? module

const base64 = path => readFileSync(path).toString('base64')
const lnds = new Map(JSON.parse(nodes).map(({ alias, socket, cert, macaroon }) => {
  const settings = { socket, cert: base64(cert), macaroon: base64(macaroon) }
  return [alias, lightning.authenticatedLndGrpc(settings).lnd]
}))

const say = line => process.stdout.write(JSON.stringify(line) + '\n')

for await (const line of createInterface({ input: process.stdin })) {
  const { node, method, subscribe, args, events } = JSON.parse(line)
  const lnd = lnds.get(node)
  if (subscribe) {
    const subscription = lightning[subscribe]({ ...args, lnd })
    subscription.on('error', error => say({ event: "error", args: String(error) }))
    for (const event of events) subscription.on(event, args => say({ event, args }))
    say({ ok: null })
    continue
  }
  try {
    say({ ok: await lightning[method]({ ...args, lnd }) ?? null })
  } catch (error) {
    // ln-service throws [code, name, details]; anything else is a fault of this script.
    say({ error: Array.isArray(error) ? error : String(error.stack) })
  }
}
process.exit()
