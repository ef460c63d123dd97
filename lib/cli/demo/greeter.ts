/**
 * A service in a namespace, started as `greeter.js NAME PORT`: tells whoever connects who answers, and
 * whom it sees. Ends with its standard input.
 */
import { createServer } from 'node:net';

const [name = '', port = ''] = process.argv.slice(2);

const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.end(`${name} ${socket.remoteAddress ?? ''}\n`);
});
server.listen(Number(port), '0.0.0.0', () => process.stdout.write('ready\n'));
process.stdin.resume().once('end', () => process.exit());
