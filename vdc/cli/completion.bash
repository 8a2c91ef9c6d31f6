# bash completion of vdc: source it, or put it into /usr/share/bash-completion/completions/vdc
_vdc ()
{
    local line=${COMP_LINE:0:COMP_POINT} current before reply words
    # Not COMP_WORDS: readline splits there at ':', and vdc wants the whole word.
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[-1]}
    before=
    # What stands before the last ':' readline keeps, so it must not come again.
    [[ $COMP_WORDBREAKS == *:* ]] && before=${current%"${current##*:}"}
    COMPREPLY=()
    while IFS= read -r reply; do
        COMPREPLY+=("${reply#"$before"}")
    done < <("${words[0]}" __complete "${words[@]:1}" 2> /dev/null)
    [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace
}
complete -o default -F _vdc vdc
