// A DHT of hyperdht, on loopback: tells {"event":"ready","port":PORT}, and ends with its input.
import createTestnet from 'hyperdht/testnet.js'

const testnet = await createTestnet(3, { host: '127.0.0.1' })
console.log(JSON.stringify({ event: 'ready', port: testnet.bootstrap[0].port }))
process.stdin.on('end', () => process.exit(0)).resume()
