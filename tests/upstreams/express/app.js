// An Express application as its documentation writes one, which answers with what it was told.
// Usage: node app.js LOG
// Prints its port; writes a line to LOG for each request that reaches it.
const fs = require("node:fs");
const express = require("express");

const log = process.argv[2];
const app = express();
app.set("query parser", "extended");
app.use((request, response, next) => {
  fs.appendFileSync(log, `${request.method} ${request.url}\n`);
  next();
});
app.use(express.json());
app.use((request, response) => {
  response.json({ fields: request.headers, query: request.query, body: request.body ?? null });
});
app.use((error, request, response, next) => {
  response.status(error.status ?? 500).json({ error: String(error) });
});
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
