#!/bin/sh
# copy-secrets.sh FROM TO LIKE: copies root's files with secrets to where a service may read them and change none.
#
# The unit runs it as root before each start and each reload, so that a reload sees new tokens and certificates;
# systemd's own credentials are copies of the moment of the start. TO belongs to root: in a folder of the service's
# own, it could put a link in the way of what root writes. The copies are readable by the owner of LIKE alone.
set -eu
umask 077
from=$1 to=$2 like=$3
mkdir -p "$to"
chmod 0711 "$to"
for old in "$to"/*; do
    [ -f "$from/${old##*/}" ] || rm -f "$old"
done
for secret in "$from"/*; do
    [ -f "$secret" ] || continue
    new="$to/.${secret##*/}.new"
    install -m 0400 "$secret" "$new"
    chown --reference="$like/." "$new"
    mv -f "$new" "$to/${secret##*/}"
done
