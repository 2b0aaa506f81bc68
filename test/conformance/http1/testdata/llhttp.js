// Divides what it receives into requests with Node's parser, llhttp, and answers each with what it understood.
const http = require('http')
const [host, port] = process.argv[2].split(':')
const server = http.createServer({ maxHeaderSize: 4 << 20, requireHostHeader: false }, (request, response) => {
  let size = 0
  request.on('data', data => { size += data.length })
  request.on('end', () => {
    response.setHeader('X-Echo', `${request.method} ${request.url} ${size}`)
    response.end()
  })
})
server.maxRequestsPerSocket = 0
server.keepAliveTimeout = 60000
server.on('checkExpectation', (request, response) => server.emit('request', request, response))
server.listen(Number(port), host)
