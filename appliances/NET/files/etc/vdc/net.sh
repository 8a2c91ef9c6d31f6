# shellcheck shell=sh disable=SC2154 # variables come from vdc-guest
# Shared by the hooks of NET.

# hosts LIST PROPERTY: the list as nft elements; refuses what is no address or network.
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

stop_dns () {
    [ -e /run/vdc/dnsmasq.pid ] || return 0
    read -r pid </run/vdc/dnsmasq.pid
    kill "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    rm -f /run/vdc/dnsmasq.pid
}

# A forwarder for the input only; it detaches itself.
start_dns () {
    dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --cache-size=1000 --user=nobody --group=nogroup \
        --interface="$VDC_DEVICE_in" --except-interface=lo --bind-interfaces --local-service --domain-needed \
        --pid-file=/run/vdc/dnsmasq.pid --log-facility=/dev/null \
        --server="${VDC_SET_dns1:-$VDC_GATEWAY_outside}" ${VDC_SET_dns2:+--server="$VDC_SET_dns2"}
}
