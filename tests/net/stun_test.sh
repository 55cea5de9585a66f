#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# STUN with programs of others, and through real NATs: our client asks coturn and our rendezvous from
# behind each kind of NAT that nftables can make; coturn's tools and stun-client ask our rendezvous
# and a supernode. All in network namespaces of its own, which go with it.
#
#   stun_test.sh THUBAN        77: skipped, and said why
set -euo pipefail

skip() {
  echo "SKIPPED: $*" >&2
  exit 77
}

if [ "${1:-}" != inside ]; then
  for tool in ip nft turnserver turnutils_stunclient turnutils_natdiscovery stun; do
    command -v "$tool" >/dev/null || skip "no $tool here (scripts/packages test)"
  done
  [ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
  unshare --net --mount --pid --fork true 2>/dev/null || skip "no namespaces can be made here"
  # With the first process of the new pid namespace all others end.
  exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0" inside "$@"
fi
thuban=$2
export THUBAN_NAT=none
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work TMPDIR=$work
mkdir -p /run/netns
mount -t tmpfs none /run/netns

failures=0
expect() {  # expect WHAT PATTERN FILE: the file has a line like that
  if grep -qE "$2" "$3"; then
    echo "ok: $1"
  else
    echo "FAILED: $1: no line like '$2' in"
    sed 's/^/  | /' "$3"
    failures=$((failures + 1))
  fi
}

# serve NAMESPACE PROGRAM...: in the background, until stop; its output is in $work/served.
serving=''
serve() {
  local place=$1
  shift
  ip netns exec "$place" "$@" >"$work/served" 2>&1 </dev/null &
  serving=$!
}
stop() {
  kill "$serving" 2>/dev/null || true
  wait "$serving" 2>/dev/null || true
}
await_port() {  # await_port NAMESPACE IP:PORT: something listens there
  for _ in $(seq 100); do
    [ -z "$(ip netns exec "$1" ss -Hlun src "$2")" ] || return 0
    kill -0 "$serving" 2>/dev/null || break
    read -r -t 0.1 <> <(:) || true
  done
  echo "FAILED: nobody listens at $2"
  cat "$work/served"
  exit 1
}

# home 10.0.0.2 --- 10.0.0.1 gate 198.51.100.1 --- 198.51.100.5 and .6 world
for place in home gate world; do
  ip netns add "$place"
  ip -n "$place" link set lo up
done
ip link add lan netns home type veth peer name lan netns gate
ip link add wan netns gate type veth peer name wan netns world
ip -n home addr add 10.0.0.2/24 dev lan
ip -n gate addr add 10.0.0.1/24 dev lan
ip -n gate addr add 198.51.100.1/24 dev wan
ip -n world addr add 198.51.100.5/24 dev wan
ip -n world addr add 198.51.100.6/24 dev wan
for end in 'home lan' 'gate lan' 'gate wan' 'world wan'; do
  # shellcheck disable=SC2086
  set -- $end
  ip -n "$1" link set "$2" up
done
ip -n home route add default via 10.0.0.1
ip -n world route add 10.0.0.0/24 via 198.51.100.1
# IPv6 has no NAT, but filters.
ip -n home addr add fd00:1::2/64 dev lan nodad
ip -n gate addr add fd00:1::1/64 dev lan nodad
ip -n gate addr add fd00:2::1/64 dev wan nodad
ip -n world addr add fd00:2::5/64 dev wan nodad
ip -n world addr add fd00:2::6/64 dev wan nodad
ip -n home route add default via fd00:1::1
ip -n world route add fd00:1::/64 via fd00:2::1
ip netns exec gate sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

gate() {  # gate RULES [FAMILY]: the gate has exactly these
  ip netns exec gate nft flush ruleset
  ip netns exec gate nft -f - <<<"table ${2:-ip} gate { $1"$'\n}'
}
# Each chain begins a line, as nft wants it.
post=$'\nchain post { type nat hook postrouting priority srcnat;'
pre=$'\nchain pre { type nat hook prerouting priority dstnat; iifname wan'
forward=$'\nchain forward { type filter hook forward priority filter;'
pre_lan=$'\nchain pre_lan { type nat hook prerouting priority dstnat; iifname lan'
post_lan=$'\nchain post_lan { type nat hook postrouting priority srcnat; oifname lan'
snat='oifname wan snat to 198.51.100.1'

declare -A rules=(
  [open]=''
  [firewall]="$forward ct state established accept; iifname wan drop; }"
  [full-cone]="$post $snat; } $pre udp dport 1024-65535 dnat to 10.0.0.2; }"
  [restricted]="set called { type ipv4_addr; flags dynamic,timeout; timeout 5m; }
    $post $snat; } $pre ip saddr @called udp dport 1024-65535 dnat to 10.0.0.2; }
    $forward oifname wan update @called { ip daddr }; }"
  [port-restricted]="$post $snat; }"
  [by-address]="$post oifname wan ip daddr 198.51.100.5 udp dport 1-65535 snat to 198.51.100.1:20000-29999;
    oifname wan udp dport 1-65535 snat to 198.51.100.1:30000-39999; }"
  [symmetric]="$post oifname wan udp dport 1-65535 snat to 198.51.100.1:20000-60000 fully-random; }"
  [blocked]="$forward meta l4proto udp drop; }"
)

examine() {  # examine KIND TYPE MAPPING FILTERING
  gate "${rules[$1]}"
  ip netns exec home "$thuban" doctor --stun 198.51.100.5:3478 --json >"$work/out" || true
  expect "$server sees: $1 is $2" \
    "\"event\":\"nat\".*\"type\":\"$2\",\"mapping\":\"$3\",\"filtering\":\"$4\"" "$work/out"
}
examine_v6() {  # the two that there are
  for kind in open firewall; do
    gate "${rules[$kind]}" ip6
    ip netns exec home "$thuban" doctor --stun '[fd00:2::5]:3478' --json >"$work/out" || true
    local type=$kind filtering=$free
    if [ "$kind" = firewall ]; then type=port-restricted filtering=$port; fi
    expect "$server sees over IPv6: $kind is $type" \
      "\"type\":\"$type\",.*\"filtering\":\"$filtering\",\"mapped\":\"\[fd00:1::2\]:" "$work/out"
  done
}
free=endpoint-independent address=address-dependent port=address-and-port-dependent

server='our rendezvous'
both=(--bind 198.51.100.5:3478 --bind 198.51.100.6:3478)
serve world "$thuban" rendezvous "${both[@]}" --bind '[fd00:2::5]:3478' --bind '[fd00:2::6]:3478'
await_port world 198.51.100.6:3479
await_port world '[fd00:2::6]:3479'
examine open open $free $free
expect 'without NAT the mapped address is the own' '"mapped":"10\.0\.0\.2:' "$work/out"
examine firewall port-restricted $free $port
examine full-cone full-cone $free $free
expect 'behind one it is the outer one' '"mapped":"198\.51\.100\.1:' "$work/out"
examine restricted restricted $free $address
examine port-restricted port-restricted $free $port
expect 'a gate that rewrites what comes from outside only turns nothing round' 'cannot be called' \
  "$work/out"
gate "${rules[port-restricted]} $pre_lan ip daddr 198.51.100.1 dnat to 10.0.0.2; }
  $post_lan ct status dnat snat to 198.51.100.1; }"
ip netns exec home "$thuban" doctor --stun 198.51.100.5:3478 --json >"$work/out" || true
expect 'and one that is told to does' 'can be called' "$work/out"
examine by-address symmetric $address $port
examine symmetric symmetric $port $port
examine blocked blocked unknown unknown
examine_v6
stop

server=coturn
serve world turnserver -n -L 198.51.100.5 -L 198.51.100.6 -L fd00:2::5 -L fd00:2::6 -p 3478 --alt-listening-port 3479 -S \
  --no-tls --no-dtls --no-cli -z -b "$work/turndb" --pidfile "$work/pid" --log-file "$work/log" \
  --simple-log
await_port world 198.51.100.6:3479
examine open open $free $free
examine full-cone full-cone $free $free
examine restricted restricted $free $address
examine port-restricted port-restricted $free $port
examine symmetric symmetric $port $port
examine_v6
stop

server='two ports of one host'
serve world "$thuban" rendezvous --bind 198.51.100.5:3478
await_port world 198.51.100.5:3479
examine port-restricted port-restricted $free $port
examine symmetric symmetric $port $port
examine restricted unknown $free unknown
stop

server='a supernode'
serve world "$thuban" host --no-prompt --ephemeral --bind 198.51.100.5:3478
await_port world 198.51.100.5:3478
examine open open $free unknown
examine port-restricted unknown unknown unknown
expect 'a supernode says the mapped address' '"mapped":"198\.51\.100\.1:' "$work/out"
gate ''
ip netns exec home turnutils_stunclient -p 3478 198.51.100.5 >"$work/out" 2>&1
expect "coturn's client understands a supernode" 'reflexive addr: 10\.0\.0\.2:' "$work/out"
ip netns exec home stun 198.51.100.5:3478 1 -v >"$work/out" 2>&1 || true
expect 'stun-client understands a supernode' 'MappedAddress = 10\.0\.0\.2:' "$work/out"
stop

serve world "$thuban" rendezvous "${both[@]}"
await_port world 198.51.100.6:3479
ip netns exec home turnutils_stunclient -p 3478 198.51.100.5 >"$work/out" 2>&1
expect "coturn's client gets all three answers of our rendezvous" 'response 3' "$work/out"
expect 'one of them from the other address and port' 'origin: : 198\.51\.100\.6:3479' "$work/out"
ip netns exec home turnutils_natdiscovery -m -f -p 3478 198.51.100.5 >"$work/out" 2>&1
expect "coturn's discovery finds the mapping" 'Endpoint Independent Mapping' "$work/out"
expect 'and the filter' 'Endpoint Independent Filtering' "$work/out"
ip netns exec home turnutils_natdiscovery -m -P -p 3478 198.51.100.5 >"$work/out" 2>&1
expect 'with padding too' 'Endpoint Independent Mapping' "$work/out"
gate "${rules[symmetric]}"
ip netns exec home turnutils_natdiscovery -m -p 3478 198.51.100.5 >"$work/out" 2>&1
expect 'and tells a symmetric NAT' 'Address and Port Dependent Mapping' "$work/out"
ip netns exec home turnutils_natdiscovery -t -T 1 -p 3478 198.51.100.5 >"$work/out" 2>&1 || true
expect "and gets its lifetime's answer by RESPONSE-PORT" 'response 2' "$work/out"
for kind in 'open Open' 'full-cone Independent Mapping, Independent Filter' \
  'port-restricted Independent Mapping, Port Dependent Filter' 'symmetric Dependent Mapping'; do
  gate "${rules[${kind%% *}]}"
  ip netns exec home stun 198.51.100.5:3478 >"$work/out" 2>&1 || true
  expect "stun-client calls ${kind%% *} that too" "Primary: ${kind#* }" "$work/out"
done
stop

[ "$failures" -eq 0 ] || { echo "$failures failed"; exit 1; }
