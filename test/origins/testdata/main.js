// A Node application: a page and what it loads, streams, events, an upload, and a WebSocket echo by hand.
'use strict';
const http = require('http');
const crypto = require('crypto');
const [host, port] = process.argv[2].split(':');

const page = `<!DOCTYPE html>
<title>page</title>
<script src="/m/app.js"></script>
<img id="image" src="/pixel.png">
<p id="fetched"></p><p id="echoed"></p>
<iframe src="/m/wait"></iframe>`;

// The page's load event waits for the frame, and the frame's answer for the report that the script is done.
const script = `
const fetched = fetch('/m/api?q=1', { method: 'POST', body: 'from the page' }).then(r => r.json())
  .then(r => { document.getElementById('fetched').textContent = 'fetched ' + r.method + ' ' + r.body + ' ' + r.proto; });
const echoed = new Promise(resolve => {
  const socket = new WebSocket('wss://' + location.host + '/m/socket');
  socket.onopen = () => socket.send('over the weir');
  socket.onmessage = e => { document.getElementById('echoed').textContent = 'echoed ' + e.data; socket.close(1000); };
  socket.onclose = e => { document.getElementById('echoed').textContent += ' closed ' + e.code; resolve(); };
});
window.addEventListener('DOMContentLoaded', () =>
  Promise.allSettled([fetched, echoed, document.getElementById('image').decode().then(() => { document.title = 'with image'; })])
    .then(() => fetch('/m/report')));
`;

let reported;
const report = new Promise(resolve => { reported = resolve; });

const routes = {
  '/m/page': (q, a) => { a.setHeader('Content-Type', 'text/html'); a.end(page); },
  '/m/app.js': (q, a) => { a.setHeader('Content-Type', 'text/javascript'); a.end(script); },
  '/m/report': (q, a) => { reported(); a.end(); },
  '/m/wait': (q, a) => { report.then(() => a.end('done')); },
  '/m/api': (q, a) => {
    const pieces = [];
    q.on('data', p => pieces.push(p));
    q.on('end', () => {
      a.setHeader('Content-Type', 'application/json');
      a.end(JSON.stringify({ method: q.method, url: q.url, host: q.headers.host, body: Buffer.concat(pieces).toString(),
        proto: q.headers['x-forwarded-proto'], for: q.headers['x-forwarded-for'] }));
    });
  },
  '/m/hash': (q, a) => {
    const hash = crypto.createHash('sha256');
    q.on('data', p => hash.update(p));
    q.on('end', () => a.end(hash.digest('hex')));
  },
  '/m/stream': (q, a) => {
    a.setHeader('Trailer', 'X-Pieces');
    let n = 0;
    const timer = setInterval(() => {
      a.write('piece ' + (++n) + '\n');
      if (n === 5) { clearInterval(timer); a.addTrailers({ 'X-Pieces': '5' }); a.end(); }
    }, 50);
  },
  '/m/events': (q, a) => {
    a.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    let n = 0;
    const timer = setInterval(() => a.write('data: ' + (++n) + ' ' + Date.now() + '\n\n'), 200);
    q.on('close', () => clearInterval(timer));
  },
};

const server = http.createServer((q, a) => {
  a.setHeader('X-Origin', 'node');
  const route = routes[q.url.split('?')[0]];
  if (route) return route(q, a);
  a.statusCode = 404;
  a.end('no such page');
});

// RFC 6455: the handshake, and every frame sent back unmasked. Frames here are short and come whole.
server.on('upgrade', (q, socket) => {
  const accept = crypto.createHash('sha1').update(q.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' + accept + '\r\n\r\n');
  socket.on('error', () => {});
  socket.on('data', frame => {
    const length = frame[1] & 127, mask = frame.subarray(2, 6), data = Buffer.from(frame.subarray(6, 6 + length));
    for (let i = 0; i < data.length; i++) data[i] ^= mask[i % 4];
    socket.write(Buffer.concat([Buffer.from([frame[0], length]), data]));
    if ((frame[0] & 15) === 8) socket.end();
  });
});
server.listen(+port, host);
