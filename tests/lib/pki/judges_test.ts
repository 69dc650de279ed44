import { deepEqual, match, ok, rejects } from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createCrl, createRequest, issueCertificate, parseCertificate, revoke } from "@helyos/pki";
import { temporaryFolder } from "../../support/process.ts";
import { lacking, tool } from "../../support/tools.ts";
import { ALGORITHMS, authority, identity, keyFor, LEAVES } from "./support/material.ts";

const execute = promisify(execFile);

/** Runs a judge; a verdict other than "good" is a rejection. */
async function judge(name: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await execute(tool(name), args, { maxBuffer: 1 << 26 });
  return stdout + stderr;
}

/** Files with these texts, by their names. */
async function files(texts: Readonly<Record<string, string>>) {
  const folder = await temporaryFolder();
  await Promise.all(Object.entries(texts).map(([name, text]) => writeFile(join(folder.path, name), text)));
  return { [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](), at: (name: string) => join(folder.path, name) };
}

const permit = { dns: ["internal", "localhost"], ip: ["127.0.0.0/8", "::/0"] };

for (const algorithm of ALGORITHMS) {
  Deno.test({
    name: `openssl verify -x509_strict accepts every certificate of a CA with ${algorithm}`,
    ignore: lacking("openssl"),
    async fn() {
      for (const limits of [undefined, permit]) {
        const ca = await authority(algorithm, limits);
        await using folder = await files({ root: ca.root.pem, intermediate: ca.intermediate.pem });
        const path = ["-x509_strict", "-CAfile", folder.at("root")];
        await judge("openssl", ["verify", ...path, folder.at("root"), folder.at("intermediate")]);
        for (const profile of LEAVES) {
          const purposes = profile === "peer" ? ["sslserver", "sslclient"] : [`ssl${profile}`];
          for (const own of ALGORITHMS) {
            const leaf = await identity(ca, profile, { algorithm: own });
            await writeFile(folder.at("leaf"), leaf.certificate);
            for (const purpose of purposes) {
              const args = [...path, "-untrusted", folder.at("intermediate"), "-purpose", purpose, folder.at("leaf")];
              match(await judge("openssl", ["verify", "-verify_hostname", "db.internal", ...args]), /: OK/);
            }
          }
        }
      }
    },
  });

  Deno.test({
    name: `certtool --verify accepts every certificate of a CA with ${algorithm}`,
    ignore: lacking("certtool"),
    async fn() {
      const ca = await authority(algorithm, permit);
      await using folder = await files({ root: ca.root.pem });
      for (const profile of LEAVES) {
        for (const own of ALGORITHMS) {
          const leaf = await identity(ca, profile, { algorithm: own });
          await writeFile(folder.at("chain"), leaf.chain);
          const purposes = { server: ["1.3.6.1.5.5.7.3.1"], client: ["1.3.6.1.5.5.7.3.2"] };
          const asked = profile === "peer" ? Object.values(purposes).flat() : purposes[profile as "server" | "client"];
          const args = ["--verify", "--verify-profile=medium", "--load-ca-certificate", folder.at("root")];
          const purpose = asked.map((id) => `--verify-purpose=${id}`);
          const verdict = await judge("certtool", [
            ...args,
            ...purpose,
            "--verify-hostname=db.internal",
            "--infile",
            folder.at("chain"),
          ]);
          match(verdict, /Chain verification output: Verified\. The certificate is trusted\./);
        }
      }
    },
  });

  Deno.test({
    name: `zlint finds no error that applies to a private CA with ${algorithm}`,
    ignore: lacking("zlint"),
    async fn() {
      const ca = await authority(algorithm, { dns: permit.dns, ip: ["10.0.0.0/8"] });
      const open = await authority(algorithm);
      const texts: Record<string, string> = {
        root: ca.root.pem,
        intermediate: ca.intermediate.pem,
        open: open.root.pem,
      };
      for (const profile of LEAVES) {
        for (const own of ALGORITHMS) {
          texts[`${profile}-${own}`] = (await identity(open, profile, { algorithm: own })).certificate;
        }
      }
      texts.crl = (await createCrl({
        issuer: { certificate: ca.root.pem, key: ca.rootKey },
        number: 1,
        revoked: [{ serial: "4d", date: new Date(), reason: "keyCompromise", invalidityDate: new Date() }],
        nextUpdate: new Date(Date.now() + 5 * 86_400_000),
      })).pem;
      await using folder = await files(texts);
      for (const name of Object.keys(texts)) deepEqual(await zlintErrors(folder.at(name)), [], name);
    },
  });

  Deno.test({
    name: `openssl req -verify and certtool accept requests with ${algorithm}`,
    ignore: lacking("openssl", "certtool"),
    async fn() {
      const key = await keyFor("leaf", algorithm);
      for (const names of [{}, { dns: ["db.internal", "*.db.internal"], ip: ["::1"] }]) {
        const { pem } = await createRequest({ key, commonName: "db.internal", names });
        await using folder = await files({ request: pem });
        match(await judge("openssl", ["req", "-verify", "-noout", "-in", folder.at("request")]), /verify OK/);
        const info = await judge("certtool", ["--crq-info", "--no-text", "--infile", folder.at("request")]);
        match(info, /BEGIN NEW CERTIFICATE REQUEST/);
        match(await judge("certtool", ["--crq-info", "--infile", folder.at("request")]), /Self signature: verified/);
      }
    },
  });

  Deno.test({
    name: `openssl crl and certtool accept revocation lists of a CA with ${algorithm}, and refuse what is on them`,
    ignore: lacking("openssl", "certtool"),
    async fn() {
      const ca = await authority(algorithm);
      const leaf = await identity(ca, "server");
      const issuer = { certificate: ca.intermediate.pem, key: ca.intermediateKey };
      const nextUpdate = new Date(Date.now() + 86_400_000);
      const other = { serial: "4d2a", date: new Date() };
      const certificate = parseCertificate(leaf.certificate);
      const good = await createCrl({ issuer, number: 1, revoked: [other], nextUpdate });
      const revoked = revoke([other], certificate, { reason: "keyCompromise", invalidityDate: new Date() });
      const bad = await createCrl({ issuer, number: 2, revoked, nextUpdate });
      await using folder = await files({
        root: ca.root.pem,
        intermediate: ca.intermediate.pem,
        leaf: leaf.certificate,
        both: ca.root.pem + ca.intermediate.pem,
        good: good.pem,
        bad: bad.pem,
      });
      const check = (list: string) => {
        const path = ["-x509_strict", "-CAfile", folder.at("root"), "-untrusted", folder.at("intermediate")];
        return judge("openssl", ["verify", ...path, "-crl_check", "-CRLfile", folder.at(list), folder.at("leaf")]);
      };
      match(await check("good"), /: OK/);
      await rejects(() => check("bad"), /certificate revoked/);
      for (const list of ["good", "bad"]) {
        const signature = ["crl", "-noout", "-verify", "-CAfile", folder.at("both"), "-in", folder.at(list)];
        match(await judge("openssl", signature), /verify OK/);
        const crl = ["--verify-crl", "--load-ca-certificate", folder.at("intermediate"), "--infile", folder.at(list)];
        match(await judge("certtool", crl), /Verification output: Verified\./);
      }
    },
  });
}

Deno.test({
  name: "openssl accepts delta lists and lists of limited scope",
  ignore: lacking("openssl"),
  async fn() {
    const ca = await authority("ec-p256");
    const issuer = { certificate: ca.root.pem, key: ca.rootKey };
    const nextUpdate = new Date(Date.now() + 86_400_000);
    const date = new Date();
    const held = parseCertificate(ca.intermediate.pem);
    const options = { "-use_deltas": true };
    const full = await createCrl({
      issuer,
      number: 7,
      revoked: [{ serial: held.serial, date, reason: "certificateHold" }],
      nextUpdate,
      deltaUris: ["http://crl.internal/delta.crl"],
    });
    const delta = await createCrl({
      issuer,
      number: 8,
      baseNumber: 7,
      revoked: [{ serial: held.serial, date, reason: "removeFromCRL" }],
      nextUpdate,
    });
    const scoped = await createCrl({ issuer, number: 9, revoked: [], nextUpdate, scope: { only: "ca" } });
    const users = await createCrl({ issuer, number: 9, revoked: [], nextUpdate, scope: { only: "user" } });
    await using folder = await files({
      root: ca.root.pem,
      intermediate: ca.intermediate.pem,
      full: full.pem,
      both: full.pem + delta.pem,
      scoped: scoped.pem,
      users: users.pem,
    });
    const check = (list: string) =>
      judge("openssl", [
        "verify",
        "-CAfile",
        folder.at("root"),
        "-crl_check",
        "-extended_crl",
        ...Object.keys(options),
        "-CRLfile",
        folder.at(list),
        folder.at("intermediate"),
      ]);
    await rejects(() => check("full"), /certificate revoked/);
    match(await check("both"), /: OK/);
    match(await check("scoped"), /: OK/);
    await rejects(() => check("users"), /scope/i);
  },
});

Deno.test({
  name: "openssl verify accepts common names beside name constraints, and finds the list of a distribution point",
  ignore: lacking("openssl"),
  async fn() {
    const ca = await authority("ec-p256", { dns: ["svc.internal"] });
    const issuer = { certificate: ca.intermediate.pem, key: ca.intermediateKey };
    const own = await keyFor("leaf", "ec-p256");
    const uris = ["http://crl.svc.internal/ca.crl"];
    const nextUpdate = new Date(Date.now() + 86_400_000);
    const crl = await createCrl({ issuer, number: 1, revoked: [], nextUpdate, scope: { uris, only: "user" } });
    for (const commonName of ["Ada Lovelace", "ada", "db.svc.internal"]) {
      const client = { issuer, profile: "client", publicKey: own.publicKey, crlUris: uris } as const;
      const { pem } = await issueCertificate({ ...client, commonName });
      await using folder = await files({
        root: ca.root.pem,
        intermediate: ca.intermediate.pem,
        leaf: pem,
        crl: crl.pem,
      });
      const path = ["-x509_strict", "-CAfile", folder.at("root"), "-untrusted", folder.at("intermediate")];
      const list = ["-crl_check", "-extended_crl", "-CRLfile", folder.at("crl")];
      match(await judge("openssl", ["verify", ...path, ...list, "-purpose", "sslclient", folder.at("leaf")]), /: OK/);
    }
  },
});

Deno.test({
  name: "openssl refuses what lies outside our name constraints",
  ignore: lacking("openssl"),
  async fn() {
    // Signed under the name of a CA without limits, so that we do not refuse it ourselves.
    const open = await authority("ec-p256");
    const limited = await authority("ec-p256", { dns: ["svc.internal"] });
    const own = await keyFor("leaf", "ec-p256");
    const { pem } = await issueCertificate({
      issuer: { certificate: open.intermediate.pem, key: open.intermediateKey },
      profile: "server",
      publicKey: own.publicKey,
      commonName: "db.internal",
      names: { dns: ["db.internal"] },
    });
    await using folder = await files({ root: limited.root.pem, intermediate: limited.intermediate.pem, leaf: pem });
    const args = ["verify", "-CAfile", folder.at("root"), "-untrusted", folder.at("intermediate"), folder.at("leaf")];
    await rejects(() => judge("openssl", args), /permitted subtree violation/);
  },
});

/**
 * Errors of zlint. Rules of root programs and of the CA/Browser Forum bind CAs that browsers trust, not private ones; what
 * the RFCs and the community's lints say binds everybody.
 */
async function zlintErrors(file: string): Promise<string[]> {
  const foreign = "Apple,CABF_BR,CABF_CS_BR,CABF_EV,CABF_SMIME_BR,Chrome,ETSI_ESI,Mozilla";
  const results = JSON.parse(await judge("zlint", ["-excludeSources", foreign, file])) as Record<
    string,
    { result: string }
  >;
  ok(Object.values(results).some(({ result }) => result === "pass"));
  return Object.entries(results).filter(([, { result }]) => /error|fatal/.test(result)).map(([name]) => name);
}
