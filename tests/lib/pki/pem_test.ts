import { deepEqual, equal, throws } from "node:assert/strict";
import { pemDecode, pemEncode } from "@helyos/pki";

const block = (inside: string, label = "CERTIFICATE") =>
  `-----BEGIN ${label}-----\n${inside}\n-----END ${label}-----\n`;

const BAD: Readonly<Record<string, string>> = {
  "nothing": "",
  "text alone": "hello\n",
  "no end": "-----BEGIN CERTIFICATE-----\nAAAA\n",
  "end without beginning": "-----END CERTIFICATE-----\n",
  "another end": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END X509 CRL-----\n",
  "a beginning inside":
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  "four dashes": "-----BEGIN CERTIFICATE----\nAAAA\n-----END CERTIFICATE-----\n",
  "empty block": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
  "headers": block("Proc-Type: 4,ENCRYPTED\n\nAAAA"),
  "a space": block("AA AA"),
  "white space alone": block(" \n\t\n"),
  "no padding": block("AA"),
  "too much padding": block("AA==="),
  "padding in the middle": block("AA==\nAAAA"),
  "bits after the end": block("AB=="),
  "the alphabet of URLs": block("AA-_"),
  "not ASCII": block("AAAä"),
  "a NUL": block("AAA\0"),
  "an empty label": block("AAAA", ""),
  "a label with two spaces": block("AAAA", "A  B"),
  "another label": block("AAAA", "X509 CRL"),
};

for (const [what, text] of Object.entries(BAD)) {
  Deno.test(`pemDecode() refuses ${what}`, () => {
    throws(() => pemDecode(text, "CERTIFICATE"), { name: "PkiError", code: "invalid_pem" });
  });
}

Deno.test("pemDecode() never shows more than the beginning of a line", () => {
  const secret = "c2VjcmV0".repeat(8);
  throws(
    () => pemDecode(block(`${secret}!`, "PRIVATE KEY")),
    (error: Error) => !error.message.includes("c2VjcmV0c2VjcmV0c2V"),
  );
});

Deno.test("pemDecode() reads a bundle with text between its blocks, in any line ending", () => {
  for (const ending of ["\n", "\r\n", "\r"]) {
    const text = `# mine\n${block("AQ==")}\nsubject: x\n${block("Ag==", "X509 CRL")}`.replaceAll("\n", ending);
    deepEqual(pemDecode(text).map(({ label, der }) => [label, ...der]), [["CERTIFICATE", 1], ["X509 CRL", 2]]);
  }
});

Deno.test("pemDecode() ignores white space around the lines of a block", () => {
  for (const inside of ["AQID\nBAUG", " AQID \n\tBAUG\t", "AQID\n\nBAUG\n", "\n \nAQIDBAUG"]) {
    deepEqual(pemDecode(block(inside)), [{ label: "CERTIFICATE", der: new Uint8Array([1, 2, 3, 4, 5, 6]) }]);
  }
});

Deno.test("pemDecode() reads lines of any length", () => {
  const der = crypto.getRandomValues(new Uint8Array(200));
  for (const width of [4, 76, 1000]) {
    const lines = der.toBase64().match(new RegExp(`.{1,${width}}`, "g"))!.join("\n");
    deepEqual(pemDecode(block(lines))[0]?.der, der);
  }
});

Deno.test("pemEncode() writes what pemDecode() reads, for every length", () => {
  for (let length = 1; length < 200; length++) {
    const der = crypto.getRandomValues(new Uint8Array(length));
    const text = pemEncode("PRIVATE KEY", der);
    equal(text.split("\n").every((line) => line.length <= 64), true);
    deepEqual(pemDecode(text, "PRIVATE KEY"), [{ label: "PRIVATE KEY", der }]);
  }
});

Deno.test("pemEncode() refuses a label that would break out of its line", () => {
  for (const label of ["", "A\nB", "A-----", "-A", "A  B", " A", "é"]) {
    throws(() => pemEncode(label, new Uint8Array(1)), SyntaxError);
  }
});
