# shellcheck shell=sh disable=SC2154 # variables come from vdc-guest
# Shared by the hooks of IN. Shell built-ins only, one nft call at the end: forks are dear.

# hosts LIST: the list as nft elements; refuses what is no address or network.
hosts () {
    elements=''
    old_ifs=$IFS
    IFS=', '
    for host in $1; do
        case $host in
        '') continue ;;
        *[!0-9./]* | */*/* | */ | /* | .* | *..*)
            echo "$2: '$host' is no address and no network" >&2
            exit 1
            ;;
        esac
        elements="$elements${elements:+, }$host"
    done
    IFS=$old_ifs
    printf '%s' "$elements"
}

# targets: addresses of the ready peers of `out`, all of them when none is ready.
targets () {
    ready='' any=''
    while read -r _ address state; do
        any="$any $address"
        [ "$state" = ready ] && ready="$ready $address"
    done </run/vdc/peers/out
    # shellcheck disable=SC2086 # words wanted
    set -- ${ready:-$any}
    echo "$@"
}

# dnat PROTOCOL PORT TO_PORT ADDRESS…: one address, or in turn where there are more.
dnat () {
    protocol=$1 port=$2 to=$3
    shift 3
    if [ $# -eq 1 ]; then
        echo "        $protocol dport $port dnat to $1:$to"
        return
    fi
    map='' i=0
    for address; do
        map="$map${map:+, }$i : $address"
        i=$((i + 1))
    done
    echo "        $protocol dport $port dnat to numgen inc mod $# map { $map } : $to"
}
