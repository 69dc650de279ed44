/**
 * Completion scripts. Each only asks `helyos __complete =PARTIAL WORD…` and shows the answer, so that all shells offer
 * the same and a script never grows old.
 *
 * @module
 */

/** The shells there are scripts for. */
export type Shell = "bash" | "elvish" | "fish" | "powershell" | "zsh";

/** One script per shell. */
export const SCRIPTS: Readonly<Record<Shell, string>> = {
  // Bash breaks words at = and :, so the line is split at blanks here, and what stands before the last break cut off.
  bash: String.raw`_helyos() {
  local current="\${COMP_WORDS[COMP_CWORD]}" line value
  local -a words
  read -ra words <<< "\${COMP_LINE:0:COMP_POINT}"
  [[ "\${COMP_LINE:0:COMP_POINT}" == *[[:space:]] ]] && words+=("")
  local partial="\${words[-1]}"
  [[ "$current" == "=" || "$current" == ":" ]] && current=""
  local before="\${partial%"$current"}"
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ "$line" == ":files" ]]; then
      compopt -o filenames 2> /dev/null
      while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "$current")
      return
    fi
    value="\${line%%$'\t'*}"
    value="\${value#"$before"}"
    COMPREPLY+=("$(printf '%q' "$value")")
  done < <(helyos __complete "=$partial" "\${words[@]:1:\${#words[@]}-2}" 2> /dev/null)
}
complete -F _helyos helyos
`.replaceAll("\\$", "$"),

  zsh: String.raw`#compdef helyos
_helyos() {
  local -a offers
  local line value offer
  for line in "\${(@f)$(helyos __complete "=\${PREFIX}" "\${(@Q)words[2,CURRENT-1]}" 2> /dev/null)}"; do
    [[ -z "$line" ]] && continue
    if [[ "$line" == ":files" ]]; then
      [[ "$PREFIX" == --*=* ]] && compset -P '--*='
      _files
      return
    fi
    value="\${line%%$'\t'*}"
    offer="\${value//:/\\:}"
    [[ "$line" == *$'\t' ]] || offer+=":\${line#*$'\t'}"
    offers+=("$offer")
  done
  (( \${#offers} )) && _describe 'helyos' offers
}
if [[ "\${funcstack[1]}" == "_helyos" ]]; then
  _helyos "$@"
else
  compdef _helyos helyos
fi
`.replaceAll("\\$", "$"),

  fish: String.raw`function __helyos_complete
    set -l partial (commandline -ct)
    set -l words (commandline -opc)
    set -l offers (helyos __complete "=$partial" $words[2..-1] 2> /dev/null)
    if test "$offers[1]" = ":files"
        set -l option (string match -r -- '^--[^=]*=' $partial; or echo)
        set -l paths (__fish_complete_path (string replace -r -- '^--[^=]*=' '' $partial))
        test (count $paths) -gt 0; and printf '%s\n' $option$paths
    else
        printf '%s\n' $offers
    end
end
complete -c helyos -f -a '(__helyos_complete)'
`,

  powershell: String.raw`Register-ArgumentCompleter -Native -CommandName helyos -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.Extent.Text })
    helyos __complete "=$wordToComplete" @words 2> $null | ForEach-Object {
        if ($_ -eq ':files') { return }
        $value, $summary = $_ -split "\`t", 2
        if (-not $summary) { $summary = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $summary)
    }
}
`.replaceAll("\\`", "`"),

  elvish: String.raw`use str
set edit:completion:arg-completer[helyos] = {|@words|
  var offers = [(e:helyos __complete '='$words[-1] (all $words[1..-1]) 2>/dev/null | from-lines)]
  for offer $offers {
    if (eq $offer ':files') {
      edit:complete-filename $@words
    } else {
      var value summary = (str:split &max=2 "\t" $offer)
      edit:complex-candidate $value &display=$value'  '$summary
    }
  }
}
`,
};
