# Sourced by the hooks: which content this server serves, and the mount of the NAS.
#
# shellcheck shell=sh
# shellcheck disable=SC2034  # the variables are for the hooks

run=/run/vdc-web
fs=/mnt/fs
log=/var/log/nginx-error.log

running () {
    [ -s "$run/nginx.pid" ] || return 1
    read -r pid < "$run/nginx.pid" || :
    kill -0 "$pid" 2>/dev/null
}

fs_address () {
    case ${VDC_PEER_fs:-} in
        "" | 0.255.255.255) return 1 ;;
        *) address=$VDC_PEER_fs ;;
    esac
}

# What is mounted on $fs: its address, or nothing.
fs_mounted () {
    mounted=
    while read -r device where _; do
        [ "$where" != $fs ] || mounted=${device%:/}
    done < /proc/mounts
    [ -n "$mounted" ]
}

# A soft mount: while the NAS restarts (up to half a minute) requests wait, after that they fail and say so. A hard one
# would leave processes behind that nothing can end, for as long as the NAS is away.
fs_mount () {
    access=ro
    [ "${VDC_SET_fs_writable:-false}" != true ] || access=rw
    if fs_mounted; then
        [ "$mounted" != "$address" ] || [ "$access" != "$(cat $run/fs-access 2>/dev/null)" ] || return 0
        fs_unmount
    fi
    [ -d $fs ] || mkdir -p $fs
    modprobe nfsv4 || return 1
    options=$access,soft,timeo=50,retrans=5,actimeo=5,vers=4.2,addr=$address,clientaddr=${VDC_ADDRESS_fs:-0.0.0.0}
    busybox timeout -s KILL "$1" busybox mount -t nfs4 -o "$options" "$address:/" $fs || return 1
    echo $access > $run/fs-access
}

# Lazy: what a request has open is closed with the request. In the background: when the wire is gone, the kernel's
# good-bye to the NAS takes until its time-out.
fs_unmount () {
    umount -l $fs > /dev/null 2>&1 &
    turn=0
    while fs_mounted && [ $turn -lt 50 ]; do
        sleep 0.1
        turn=$((turn + 1))
    done
}

# Sets $root, the folder nginx serves; empty when there is nothing to serve.
content_root () {
    docroot=${VDC_SET_docroot:-/}
    docroot=${docroot%/}
    if [ -n "${VDC_VOLUME_content:-}" ]; then
        root=$VDC_VOLUME_content$docroot
    elif fs_address && fs_mounted; then
        root=$fs$docroot
    else
        root=/usr/share/vdc-web/empty
    fi
}
