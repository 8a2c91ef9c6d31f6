# bash completion of vdc: source it, or put it into /usr/share/bash-completion/completions/vdc
_vdc ()
{
    local current line
    # readline splits at ':'; vdc wants the whole word
    if declare -F _get_comp_words_by_ref > /dev/null; then
        local words cword
        _get_comp_words_by_ref -n : -c current -w words -i cword
    else
        local words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
        current=${COMP_WORDS[COMP_CWORD]}
    fi
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(vdc __complete "${words[@]:1:cword}" 2> /dev/null)
    if declare -F __ltrim_colon_completions > /dev/null; then
        __ltrim_colon_completions "$current"
    fi
    [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace
}
complete -o default -F _vdc vdc
