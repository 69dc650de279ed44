import { equal } from "node:assert/strict";
import { openNotifier } from "../../daemon/notify.ts";
import { temporaryFolder } from "../support/process.ts";

Deno.test("openNotifier() sends states to the socket and leaves no file", async () => {
  await using folder = await temporaryFolder();
  const socket = `${folder.path}/systemd.sock`;
  const systemd = Deno.listenDatagram({ transport: "unixpacket", path: socket });
  using _closing = { [Symbol.dispose]: () => systemd.close() };
  const errors: unknown[] = [];
  const own = `${folder.path}/own.sock`;
  await using notifier = openNotifier({ socket, own, onError: (error) => void errors.push(error) });
  await notifier.send("READY=1");
  const [data] = await systemd.receive();
  equal(new TextDecoder().decode(data), "READY=1");
  equal([...Deno.readDirSync(folder.path)].length, 1);
  equal(errors.length, 0);
});

Deno.test("openNotifier() reports a socket nobody reads and goes on", async () => {
  await using folder = await temporaryFolder();
  const errors: unknown[] = [];
  await using notifier = openNotifier({
    socket: `${folder.path}/none.sock`,
    own: `${folder.path}/own.sock`,
    onError: (error) => void errors.push(error),
  });
  await notifier.send("READY=1");
  equal(errors.length, 1);
});
