// A small npm registry: packages are published with PUT /:name and found with GET /:name, where the slash of a scoped name is encoded as npm does it.
// What does not come encoded is not found, as with registries that tell the two apart.
const http = require('http');
const packages = {}, tarballs = {};
http.createServer((req, res) => {
  const body = [];
  req.on('data', (b) => body.push(b));
  req.on('end', () => {
    const answer = (status, value) => {
      const out = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
      res.writeHead(status, { 'content-type': 'application/json', 'content-length': out.length, 'x-target': req.url });
      res.end(out);
    };
    const path = req.url.split('?')[0];
    if (path.startsWith('/-/')) return answer(200, { username: 'tester' });
    if (tarballs[path]) return answer(200, tarballs[path]);
    const name = /^\/(@[^/]+%2[fF][^/]+|[^@/]+)$/.exec(path);
    if (!name) return answer(404, { error: 'no package at ' + req.url });
    if (req.method === 'PUT') {
      const doc = JSON.parse(Buffer.concat(body));
      for (const [file, a] of Object.entries(doc._attachments || {})) {
        const version = Object.values(doc.versions)[0];
        const at = '/tarballs/' + encodeURIComponent(file);
        tarballs[at] = Buffer.from(a.data, 'base64');
        version.dist.tarball = 'http://' + req.headers.host + at;
      }
      delete doc._attachments;
      packages[decodeURIComponent(name[1])] = doc;
      return answer(201, { ok: true });
    }
    const doc = packages[decodeURIComponent(name[1])];
    return doc ? answer(200, doc) : answer(404, { error: 'not found' });
  });
}).listen(Number(process.argv[2].split(':').pop()), '127.0.0.1');
