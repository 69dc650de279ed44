/**
 * Certificates are public: whoever has seen the daemon's can show it. What he does not have is its key. TLS libraries
 * refuse to serve a certificate with another's key, so the impostor is written in Go, which lets him try.
 */
import { PinnedClient, PinningError } from "@helyos/pinning";
import { equal, ok } from "node:assert/strict";
import { lacking, tool } from "../../support/tools.ts";
import { forgeCa, forgeServer } from "./forge.ts";

const IMPOSTOR = `package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	text, _ := io.ReadAll(os.Stdin)
	block, _ := pem.Decode(text)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		go func(version uint16) {
			for {
				raw, err := listener.Accept()
				if err != nil {
					return
				}
				connection := tls.Server(raw, &tls.Config{
					Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}},
					MinVersion:   version,
					MaxVersion:   version,
				})
				buffer := make([]byte, 4096)
				if count, _ := connection.Read(buffer); count > 0 {
					fmt.Printf("received %q\\n", buffer[:count])
				}
				connection.Close()
				fmt.Println("done")
			}
		}(version)
		fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	}
	select {}
}
`;

Deno.test({
  name: "PinnedClient refuses a server that shows the right certificate without holding its key",
  ignore: lacking("go"),
  async fn() {
    const ca = await forgeCa("CA");
    const { pem } = await forgeServer(ca);
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(`${folder}/main.go`, IMPOSTOR);
    const built = await new Deno.Command(tool("go"), {
      args: ["build", "-o", `${folder}/impostor`, `${folder}/main.go`],
      env: { CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOWORK: "off" },
    }).output();
    equal(new TextDecoder().decode(built.stderr), "");
    const impostor = new Deno.Command(`${folder}/impostor`, { stdin: "piped", stdout: "piped" }).spawn();
    try {
      const writer = impostor.stdin.getWriter();
      await writer.write(new TextEncoder().encode(pem));
      await writer.close();
      const lines = impostor.stdout.pipeThrough(new TextDecoderStream());
      let said = "";
      const reader = lines.getReader();
      const until = async (pattern: RegExp): Promise<RegExpExecArray> => {
        for (;;) {
          const match = pattern.exec(said);
          if (match) return match;
          const { value, done } = await reader.read();
          if (done) throw new Error(`the impostor stopped: ${said}`);
          said += value;
        }
      };
      const [, tls12, tls13] = await until(/^(\d+)\n(\d+)\n/);
      for (const port of [tls12, tls13]) {
        await using client = new PinnedClient({ origin: `https://localhost:${port}`, trust: { ca: ca.pem } });
        const error = await client.fetch("/", { headers: { authorization: "Bearer canary" } }).catch((error) => error);
        ok(error instanceof PinningError);
        equal(error.code, "invalid_certificate", error.message);
      }
      await until(/done\n(?:.*\n)*done\n/);
      ok(!said.includes("received"), said);
      await reader.cancel();
    } finally {
      impostor.kill();
      await impostor.status;
      await Deno.remove(folder, { recursive: true });
    }
  },
});
