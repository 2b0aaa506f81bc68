// Uses objects of a bucket as an application does, by the AWS SDK for JavaScript, which signs every request. Prints "all is well" at its end if it is.
// Arguments: the endpoint, and http1 or http2.
import { S3Client, PutObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, DeleteObjectCommand, CopyObjectCommand,
  CreateMultipartUploadCommand, UploadPartCommand, CompleteMultipartUploadCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { NodeHttpHandler, NodeHttp2Handler } from '@smithy/node-http-handler';

const [endpoint, version] = process.argv.slice(2);
const client = new S3Client({
  endpoint, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1,
  credentials: { accessKeyId: 'AKIDWEIR', secretAccessKey: 'secret/with+signs' },
  requestHandler: version === 'http2' ? new NodeHttp2Handler({ requestTimeout: 20000 }) : new NodeHttpHandler({ requestTimeout: 20000 }),
});
const Bucket = 'bucket';
let failed = 0;

async function step(name, run) {
  try {
    await run();
  } catch (e) {
    failed++;
    console.log(`${name}: ${e.name} ${e.$metadata?.httpStatusCode ?? ''} ${e.message}`);
  }
}

function same(got, expected) {
  if (got !== expected) throw new Error(`got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
}

const keys = ['plain', 'a//b', 'a%2Fb', 'ü +', 'with space/and+plus', "quotes'()*!", 'a&b=c;d', 'tilde~-_.', '%25', 'dots..inside/.hidden', 'back\\slash', 'q?uestion#mark', 'trailing/slash/x:y@z,$'];
for (const Key of keys) {
  const Body = 'content of ' + Key;
  await step(`put ${Key}`, () => client.send(new PutObjectCommand({ Bucket, Key, Body })));
  await step(`get ${Key}`, async () => same(await (await client.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString(), Body));
  await step(`head ${Key}`, () => client.send(new HeadObjectCommand({ Bucket, Key })));
  await step(`list ${Key}`, async () => {
    const l = await client.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
    same(l.Contents?.some((o) => o.Key === Key), true);
  });
  await step(`presigned get ${Key}`, async () => {
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key, ResponseContentDisposition: 'attachment; filename="a b+c.txt"' }), { expiresIn: 60 });
    const r = await fetch(url);
    same(r.status, 200);
    same(await r.text(), Body);
    same(r.headers.get('content-disposition'), 'attachment; filename="a b+c.txt"');
  });
  await step(`presigned put ${Key}`, async () => {
    const url = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key }), { expiresIn: 60 });
    same((await fetch(url, { method: 'PUT', body: Body })).status, 200);
  });
  await step(`a spoilt presigned url of ${Key}`, async () => {
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 });
    same((await fetch(url.replace('/bucket/', '/bucket/x'))).status, 403);
  });
  await step(`copy ${Key}`, () => client.send(new CopyObjectCommand({ Bucket, Key: 'copy of ' + Key, CopySource: Bucket + '/' + encodeURIComponent(Key) })));
  await step(`delete ${Key}`, () => client.send(new DeleteObjectCommand({ Bucket, Key })));
}
await step('multipart', async () => {
  const Key = 'parts//ü%2F+';
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x'.repeat(300000) }));
  await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }));
  same((await (await client.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString()).length, 300000);
});
client.destroy();
if (failed) process.exitCode = 1;
else console.log('all is well');
