# shellcheck shell=sh disable=SC2154 # variables come from vdc-guest
# Shared by the hooks of OUT. /run/vdc/remote holds the address in force.

is_address () {
    case $1 in
    *[!0-9.]* | .* | *. | *..*) return 1 ;;
    *.*.*.*) return 0 ;;
    *) return 1 ;;
    esac
}

check_settings () {
    case $VDC_SET_remote_host in
    '' | *[!A-Za-z0-9.-]* | -* | .*)
        echo "remote_host: '$VDC_SET_remote_host' is no host name and no address" >&2
        exit 1
        ;;
    esac
    for server in "$VDC_SET_dns1" "$VDC_SET_dns2"; do
        [ -z "$server" ] || is_address "$server" || { echo "dns: '$server' is no address" >&2; exit 1; }
    done
}

write_resolver () {
    {
        echo 'options timeout:2 attempts:2'
        for server in ${VDC_SET_dns1:-$VDC_GATEWAY_outside} $VDC_SET_dns2; do
            echo "nameserver $server"
        done
    } >/etc/resolv.conf
}

# Prints the address; one that is still among the answers is kept, so that round robin does not make us hop.
look_up () {
    if is_address "$VDC_SET_remote_host"; then
        echo "$VDC_SET_remote_host"
        return 0
    fi
    present=''
    [ -e /run/vdc/remote ] && read -r present </run/vdc/remote
    found=$(getent ahostsv4 "$VDC_SET_remote_host") || return 1
    first=${found%% *}
    case "
$found" in
    *"
$present "*) echo "${present:-$first}" ;;
    *) echo "$first" ;;
    esac
}

# aim ADDRESS: the rules, in one transaction.
aim () {
    nft -f - <<RULES || return 1
table ip vdc
delete table ip vdc
table ip vdc {
    chain aim {
        type nat hook prerouting priority dstnat; policy accept;
        iifname "$VDC_DEVICE_in" dnat to $1
    }
    chain hide {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "$VDC_DEVICE_outside" masquerade
    }
    chain through {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "$VDC_DEVICE_in" oifname "$VDC_DEVICE_outside" ct status dnat accept
    }
    chain here {
        type filter hook input priority filter; policy drop;
        iifname lo accept
        ct state established,related accept
        icmp type echo-request accept
    }
}
RULES
    echo "$1" >/run/vdc/remote
}

now () {
    read -r seconds _ </proc/uptime
    echo "${seconds%.*}"
}
