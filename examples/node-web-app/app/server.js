'use strict';

const http = require('http');

let visits = 0;
const server = http.createServer((request, response) => {
  visits += 1;
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ path: request.url, visits, user: process.getuid() }) + '\n');
});

server.listen(Number(process.env.PORT || 8080));
process.on('SIGTERM', () => {
  console.log(`served ${visits} requests`);
  server.close(() => process.exit(0));
});
