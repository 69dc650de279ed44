/**
 * Real pebble, the ACME server made for tests, and pebble-challtestsrv, the DNS server it asks.
 *
 * @module
 */
import { writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { createRootCa, exportPrivateKey, generateKeyPair, issueCertificate } from "@helyos/pki";
import { freePort } from "./free_port.ts";
import { temporaryFolder } from "./process.ts";
import { tool } from "./tools.ts";

/** A pebble that serves. */
export interface Pebble extends AsyncDisposable {
  /** Address of its directory. */
  readonly directoryUrl: string;
  /** PEM of the CA its own HTTPS is trusted by. */
  readonly ca: string;
  /** Port it connects to for HTTP-01. */
  readonly httpPort: number;
  /** Port it connects to for TLS-ALPN-01. */
  readonly tlsPort: number;
  /** Base address of challtestsrv's management. */
  readonly dnsManagement: string;
  /** PEM of the root it issues under; of an alternate one by its number. */
  root(index?: number): Promise<string>;
  /** Ends pebble and starts it anew on the same ports, its state forgotten. */
  restart(): Promise<void>;
  /** Ends pebble alone: nobody answers any more. */
  pause(): void;
}

/** How pebble is to behave. */
export interface PebbleOptions {
  /** Variables such as PEBBLE_WFE_NONCEREJECT. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Seconds a certificate lives.
   * @default {7776000}
   */
  readonly validitySeconds?: number;
  /** HMAC keys by key id, in base64url: accounts must be bound to one of them. */
  readonly externalAccounts?: Readonly<Record<string, string>>;
  /** Another one, which looks for answers to challenges at the same ports. */
  readonly beside?: Pick<Pebble, "httpPort" | "tlsPort">;
}

/** Starts pebble on free ports. */
export async function startPebble(options: PebbleOptions = {}): Promise<Pebble> {
  const folder = await temporaryFolder();
  const [port, management, freeHttp, freeTls, dns, dnsManagement] = await Promise.all(
    Array.from({ length: 6 }, freePort),
  );
  const { httpPort, tlsPort } = options.beside ?? { httpPort: freeHttp!, tlsPort: freeTls! };
  const key = await generateKeyPair();
  const ca = await createRootCa({ commonName: "pebble's own CA", key });
  const leafKey = await generateKeyPair();
  const leaf = await issueCertificate({
    issuer: { certificate: ca.pem, key },
    profile: "server",
    publicKey: leafKey.publicKey,
    commonName: "localhost",
    names: { dns: ["localhost"], ip: ["127.0.0.1"] },
  });
  const file = (name: string) => join(folder.path, name);
  await writeFile(file("cert.pem"), leaf.pem);
  await writeFile(file("key.pem"), await exportPrivateKey(leafKey));
  const validityPeriod = options.validitySeconds ?? 7_776_000;
  await writeFile(
    file("pebble.json"),
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: file("cert.pem"),
        privateKey: file("key.pem"),
        httpPort,
        tlsPort,
        ocspResponderURL: "",
        externalAccountBindingRequired: options.externalAccounts !== undefined,
        externalAccountMACKeys: options.externalAccounts ?? {},
        retryAfter: { authz: 3, order: 3 },
        profiles: {
          default: { description: "The profile you know", validityPeriod },
          shortlived: { description: "A short-lived one", validityPeriod: 518_400 },
        },
      },
    }),
  );
  const start = (program: string, args: string[], env: Record<string, string> = {}) =>
    new Deno.Command(tool(program), { args, env, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  const challtestsrv = start("pebble-challtestsrv", [
    ...["-management", `127.0.0.1:${dnsManagement}`, "-dnsserver", `127.0.0.1:${dns}`],
    ...["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""],
  ]);
  const startServer = () =>
    start("pebble", ["-config", file("pebble.json"), "-dnsserver", `127.0.0.1:${dns}`], {
      PEBBLE_VA_NOSLEEP: "1",
      PEBBLE_WFE_NONCEREJECT: "5",
      ...options.env,
    });
  let server = startServer();
  const directoryUrl = `https://localhost:${port}/dir`;
  const stop = async () => {
    try {
      server.kill("SIGKILL");
    } catch { /* It has ended already. */ }
    await server.status;
  };
  await answers(directoryUrl, ca.pem);
  return {
    directoryUrl,
    ca: ca.pem,
    httpPort,
    tlsPort,
    dnsManagement: `http://127.0.0.1:${dnsManagement}`,
    root: (index = 0) => get(`https://localhost:${management}/roots/${index}`, ca.pem),
    async restart() {
      await stop();
      server = startServer();
      await answers(directoryUrl, ca.pem);
    },
    pause: () => server.kill("SIGKILL"),
    async [Symbol.asyncDispose]() {
      await stop();
      challtestsrv.kill("SIGKILL");
      await challtestsrv.status;
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Writes a program for `--acme-dns-hook` that puts records into the DNS server pebble asks. */
export async function writeDnsHook(pebble: Pebble, folder: string): Promise<string> {
  const path = join(folder, "dns-hook");
  await writeFile(
    path,
    `#!/bin/sh
case $1 in
present) curl -sS -d "{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}" ${pebble.dnsManagement}/set-txt ;;
cleanup) curl -sS -d "{\\"host\\":\\"$2.\\"}" ${pebble.dnsManagement}/clear-txt ;;
esac
`,
    { mode: 0o700 },
  );
  return path;
}

function get(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca: [ca] }, async (response) => {
      let text = "";
      for await (const chunk of response) text += new TextDecoder().decode(chunk);
      resolve(text);
    });
    sent.on("error", reject);
    sent.end();
  });
}

async function answers(url: string, ca: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (true) {
    try {
      return void await get(url, ca);
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
