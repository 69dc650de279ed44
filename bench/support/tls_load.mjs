// Load for bench/tls.ts, by whatever runs node's modules: requests over open connections, full handshakes, or connections
// held open. Prints one number a line.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import tls from "node:tls";

const [kind, folder, port, connections, milliseconds] = process.argv.slice(2);
const read = (name) => readFileSync(join(folder, name));
const options = {
  host: "127.0.0.1",
  servername: "localhost",
  port: Number(port),
  // Made once: the client's own work must not hide the server's.
  secureContext: tls.createSecureContext({ ca: [read("ca.pem")], cert: read("client.pem"), key: read("client.key") }),
};
const REQUEST = `GET /hello HTTP/1.1\r\nHost: localhost:${port}\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n`;

/** Connects, and calls back with each whole response; the answer's end sends the next request when told to. */
function connect(onAnswer, onEnd) {
  const socket = tls.connect(options, () => {
    socket.setNoDelay(true);
    socket.write(REQUEST);
  });
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    if (!text.includes("hello world")) return;
    text = "";
    onAnswer(socket);
  });
  socket.on("error", () => {});
  socket.on("close", () => onEnd(socket));
  return socket;
}

const finish = (count, since) => {
  console.log(count / (performance.now() - since) * 1000);
  process.exit();
};

if (kind === "requests") {
  let open = 0;
  let count = 0;
  let since;
  for (let i = 0; i < Number(connections); i++) {
    let isFirst = true;
    connect((socket) => {
      if (isFirst && ++open === Number(connections)) {
        since = performance.now();
        count = 0;
        setTimeout(() => finish(count, since), Number(milliseconds));
      }
      isFirst = false;
      count++;
      socket.write(REQUEST);
    }, () => process.exit(1));
  }
} else if (kind === "handshakes") {
  let count = 0;
  const since = performance.now();
  const next = () => {
    let isAnswered = false;
    connect((socket) => {
      isAnswered = true;
      count++;
      socket.destroy();
    }, () => isAnswered ? next() : process.exit(1));
  };
  for (let i = 0; i < Number(connections); i++) next();
  setTimeout(() => finish(count, since), Number(milliseconds));
} else {
  // Says when all are open; then, for each line on standard input, asks over every connection and tells how many answered.
  const sockets = [];
  let answers = 0;
  let closed = 0;
  const total = Number(connections);
  for (let i = 0; i < total; i++) {
    sockets.push(connect(() => {
      if (++answers === total) {
        answers = 0;
        console.log(total - closed);
      }
    }, () => closed++));
  }
  process.stdin.on("data", () => {
    for (const socket of sockets) socket.write(REQUEST);
    setTimeout(() => {
      if (closed > 0) console.log(total - closed);
    }, 5000).unref();
  });
}
