/// The scripts that make shells ask `slipway __complete`.
///
/// They hold no list of commands or flags, so that a script once installed stays right.
package enum CompletionScripts {
    package static let bash = #"""
        # bash completion for slipway
        _slipway() {
            local line="${COMP_LINE:0:COMP_POINT}" word output directive
            local -a words=()
            read -ra words <<< "$line"
            [[ "$line" == *[[:space:]] ]] && words+=("")
            local typed="${words[${#words[@]}-1]}"
            local current="${COMP_WORDS[COMP_CWORD]}"
            # bash breaks words at colons and equal signs: only what follows the last one is replaced.
            [[ "$current" == "=" || "$current" == ":" ]] && current=""
            local kept="${typed%"$current"}"
            output="$(slipway __complete -- "${words[@]:1}" 2>/dev/null)" || return
            directive="${output##*$'\n'}"
            COMPREPLY=()
            case "$directive" in
                :files) compopt -o filenames 2>/dev/null; while IFS= read -r word; do COMPREPLY+=("$word"); done \
                    < <(compgen -f -- "$current") ;;
                :directories) compopt -o filenames 2>/dev/null; while IFS= read -r word; do COMPREPLY+=("$word"); done \
                    < <(compgen -d -- "$current") ;;
                *)
                    while IFS= read -r word; do
                        [[ "$word" == :words ]] && continue
                        word="${word%%$'\t'*}"
                        COMPREPLY+=("${word#"$kept"}")
                    done <<< "$output" ;;
            esac
        }
        complete -F _slipway slipway

        """#

    package static let zsh = #"""
        #compdef slipway
        # zsh completion for slipway
        _slipway() {
            local output directive line
            local -a candidates lines
            output="$(slipway __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)" || return 1
            lines=("${(@f)output}")
            directive="${lines[-1]}"
            case "$directive" in
                :files) _files; return ;;
                :directories) _files -/; return ;;
            esac
            for line in "${(@)lines[1,-2]}"; do
                candidates+=("${${${line%%$'\t'*}//:/\\:}}:${line#*$'\t'}")
            done
            _describe 'slipway' candidates
        }
        if [ "$funcstack[1]" = "_slipway" ]; then
            _slipway
        else
            compdef _slipway slipway
        fi

        """#

    package static let fish = #"""
        # fish completion for slipway
        function __slipway_complete
            set -l words (commandline -opc) (commandline -ct)
            set -l lines (slipway __complete -- $words[2..-1] 2>/dev/null)
            or return
            switch $lines[-1]
                case ':files'
                    __fish_complete_path (commandline -ct)
                case ':directories'
                    __fish_complete_directories (commandline -ct)
                case '*'
                    for line in $lines
                        if test "$line" != ':words'
                            echo $line
                        end
                    end
            end
        end
        complete -c slipway -f -a '(__slipway_complete)'

        """#
}
