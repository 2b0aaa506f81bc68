// A server of S3's API that keeps objects in memory, under any key. It checks Signature Version 4 of every request over the bytes of the target and the fields that arrive:
// the path is not decoded, so a proxy that rewrites one byte of it is found out. Its argument is the port.
import http from 'node:http';
import { createHash, createHmac } from 'node:crypto';

const access = 'AKIDWEIR', secret = 'secret/with+signs';
const objects = new Map(), uploads = new Map();
const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const hmac = (key, data) => createHmac('sha256', key).update(data).digest();
const xml = (s) => s.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);

// parameters of the query as they came, each [name, value] in its encoded form.
const parametersOf = (query) => query === '' ? [] : query.split('&').map((p) => { const i = p.indexOf('='); return i < 0 ? [p, ''] : [p.slice(0, i), p.slice(i + 1)]; });

// isSigned reports whether the request has a signature that is right, in its fields or its query.
function isSigned(req, path, parameters, body) {
  const query = Object.fromEntries(parameters.map(([k, v]) => [decodeURIComponent(k), decodeURIComponent(v)]));
  let credential, names, signature, date, payload;
  const header = /^AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(req.headers.authorization ?? '');
  if (header) {
    [, credential, names, signature] = header;
    date = req.headers['x-amz-date'];
    payload = req.headers['x-amz-content-sha256'];
    if (/^[0-9a-f]{64}$/.test(payload) && payload !== sha256(body)) return false;
  } else if (query['X-Amz-Algorithm'] === 'AWS4-HMAC-SHA256') {
    ({ 'X-Amz-Credential': credential, 'X-Amz-SignedHeaders': names, 'X-Amz-Signature': signature, 'X-Amz-Date': date } = query);
    payload = 'UNSIGNED-PAYLOAD';
  } else {
    return false;
  }
  const [key, ...scope] = credential.split('/');
  if (key !== access) return false;
  const canonical = [req.method, path,
    parameters.filter(([k]) => k !== 'X-Amz-Signature').map((p) => p.join('=')).sort().join('&'),
    // Over HTTP/2 the SDK signs :authority, which a proxy passes on as Host.
    ...names.split(';').map((n) => `${n}:${(req.headers[n === ':authority' ? 'host' : n] ?? '').trim().replace(/ +/g, ' ')}`), '', names, payload].join('\n');
  const signing = scope.reduce((k, part) => hmac(k, part), 'AWS4' + secret);
  return hmac(signing, ['AWS4-HMAC-SHA256', date, scope.join('/'), sha256(canonical)].join('\n')).toString('hex') === signature;
}

// unchunked is the content of a body in aws-chunked coding.
function unchunked(req, body) {
  if (!/aws-chunked/.test(req.headers['content-encoding'] ?? '')) return body;
  const parts = [];
  for (let at = 0; ;) {
    const end = body.indexOf('\r\n', at);
    const size = parseInt(body.toString('latin1', at, end), 16);
    if (!size) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

http.createServer((req, res) => {
  const received = [];
  req.on('data', (b) => received.push(b));
  req.on('end', () => {
    const answer = (status, body = '', headers = {}) => {
      res.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body), ...headers });
      res.end(req.method === 'HEAD' ? undefined : body);
    };
    const fail = (status, code) => answer(status, `<Error><Code>${code}</Code><Message>${xml(req.method + ' ' + req.url)}</Message></Error>`);
    const raw = Buffer.concat(received);
    const i = req.url.indexOf('?');
    const path = i < 0 ? req.url : req.url.slice(0, i);
    const parameters = parametersOf(i < 0 ? '' : req.url.slice(i + 1));
    if (!isSigned(req, path, parameters, raw)) return fail(403, 'SignatureDoesNotMatch');
    const query = Object.fromEntries(parameters.map(([k, v]) => [decodeURIComponent(k), decodeURIComponent(v)]));
    const [, bucket, rest] = /^\/([^/]*)\/?(.*)$/.exec(path);
    if (bucket !== 'bucket') return fail(404, 'NoSuchBucket');
    const key = decodeURIComponent(rest), body = unchunked(req, raw), etag = (b) => `"${createHash('md5').update(b).digest('hex')}"`;
    if (key === '') {
      const list = [...objects.keys()].filter((k) => k.startsWith(query.prefix ?? '')).map((k) => `<Contents><Key>${xml(k)}</Key><Size>${objects.get(k).length}</Size></Contents>`);
      return answer(200, `<ListBucketResult><KeyCount>${list.length}</KeyCount><IsTruncated>false</IsTruncated>${list.join('')}</ListBucketResult>`);
    }
    switch (req.method) {
      case 'POST':
        if ('uploads' in query) {
          const id = 'upload/' + (uploads.size + 1) + '+=';
          uploads.set(id, []);
          return answer(200, `<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>${xml(key)}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
        }
        if (!uploads.has(query.uploadId)) return fail(404, 'NoSuchUpload');
        objects.set(key, Buffer.concat(uploads.get(query.uploadId)));
        return answer(200, `<CompleteMultipartUploadResult><Key>${xml(key)}</Key><ETag>${xml(etag(objects.get(key)))}</ETag></CompleteMultipartUploadResult>`);
      case 'PUT': {
        if (query.uploadId) {
          if (!uploads.has(query.uploadId)) return fail(404, 'NoSuchUpload');
          uploads.get(query.uploadId)[query.partNumber - 1] = body;
          return answer(200, '', { etag: etag(body) });
        }
        const source = req.headers['x-amz-copy-source'];
        if (source === undefined) {
          objects.set(key, body);
          return answer(200, '', { etag: etag(body) });
        }
        const from = objects.get(decodeURIComponent(source).replace(/^\/?bucket\//, ''));
        if (!from) return fail(404, 'NoSuchKey');
        objects.set(key, from);
        return answer(200, `<CopyObjectResult><ETag>${xml(etag(from))}</ETag></CopyObjectResult>`);
      }
      case 'DELETE':
        objects.delete(key);
        return answer(204);
      default: {
        const object = objects.get(key);
        if (!object) return fail(404, 'NoSuchKey');
        const headers = { 'content-type': 'application/octet-stream', 'content-length': object.length, etag: etag(object) };
        if (query['response-content-disposition']) headers['content-disposition'] = query['response-content-disposition'];
        return answer(200, object, headers);
      }
    }
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
