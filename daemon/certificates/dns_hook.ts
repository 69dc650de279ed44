/**
 * Runs the program that proves names by DNS.
 *
 * @module
 */

/** How long to wait for what the program has still to say after it ended, if something that it left running keeps its standard error. */
const LAST_WORDS_MS = 500;
/** How long a program that is told to stop may tidy up before it is ended. */
const GRACE_MS = 2_000;
const MAX_WORDS = 4096;

/** Whether the program may be run: the launcher permits one that is there and executable. */
export async function mayRunHook(program: string): Promise<boolean> {
  return (await Deno.permissions.query({ name: "run", command: program })).state === "granted";
}

/** The hook gets a search path and nothing of the daemon's own environment, which may hold its token. */
export async function runHook(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<{ code: number; stderr: string }> {
  signal.throwIfAborted();
  const child = new Deno.Command(program, {
    args: [...args],
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let stderr = "";
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const reading = (async () => {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      if (stderr.length < MAX_WORDS) stderr += chunk.value.slice(0, MAX_WORDS);
    }
  })().catch(() => {/* nobody reads on */});
  let grace: ReturnType<typeof setTimeout> | undefined;
  const send = (name: Deno.Signal) => {
    try {
      child.kill(name);
    } catch { /* It has ended already. */ }
  };
  const stop = () => {
    send("SIGTERM");
    grace = setTimeout(() => send("SIGKILL"), GRACE_MS);
  };
  signal.addEventListener("abort", stop, { once: true });
  const { code, signal: killedBy } = await child.status;
  signal.removeEventListener("abort", stop);
  clearTimeout(grace);
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([reading, new Promise((resolve) => timer = setTimeout(resolve, LAST_WORDS_MS))]);
  clearTimeout(timer);
  void reader.cancel().catch(() => {/* it is closed */});
  signal.throwIfAborted();
  if (killedBy !== null) throw new Error(`it was stopped by ${killedBy}`);
  return { code, stderr };
}
