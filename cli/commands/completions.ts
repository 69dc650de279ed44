import { command } from "../command.ts";
import { SCRIPTS } from "../completion_scripts.ts";

export default command({
  summary: "Print a completion script for a shell",
  details: `
Load it at every start of the shell:
  bash        echo 'eval "$(helyos completions bash)"' >> ~/.bashrc
  zsh         echo 'eval "$(helyos completions zsh)"' >> ~/.zshrc      (after compinit)
  fish        helyos completions fish > ~/.config/fish/completions/helyos.fish
  powershell  helyos completions powershell | Out-String | Invoke-Expression
  elvish      eval (helyos completions elvish | slurp)

Contexts are offered by name, and so are projects, tokens, routes and certificates, for which the daemon is asked.`,
  positionals: {
    SHELL: { summary: "The shell", choices: ["bash", "elvish", "fish", "powershell", "zsh"] },
  },
  run({ args: { SHELL }, io }) {
    io.stdout.write(SCRIPTS[SHELL]);
    return Promise.resolve();
  },
});
