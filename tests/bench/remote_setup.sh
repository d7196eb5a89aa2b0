# SPDX-License-Identifier: Apache-2.0
# What benches of the Hub's client share: a network of their own where the kernel lets
# them, nginx as the CDN, the stand-in Hub before it, and the relay that makes both far
# away. Sourced with $here naming this folder; then begin.
#   I8_TOOL  the program           I8_RELAY  the relay (make tests/bench/relay)
#   I8_BENCH_DIR  where (default /dev/shm)
# Debian: apt-get install nginx-light aria2 curl iproute2 util-linux

python=${PYTHON:-/usr/bin/python3}
hub=$here/../hub
pids=

need() {
    for program in "$@"; do
        command -v "$program" >/dev/null || {
            echo "$(basename "$0"): needs $program (Debian: apt-get install nginx-light" \
                "aria2 curl openssl)" >&2
            exit 1
        }
    done
}

# own_network SCRIPT ARGS…: runs the script anew in a network namespace with nothing but a
# loopback, once; where that is not allowed, goes on with the machine's own loopback.
own_network() {
    [ -z "${I8_OWN_NETWORK-}" ] || return 0
    export I8_OWN_NETWORK=no
    # shellcheck disable=SC2016 # for the inner shell
    if unshare -rn sh -c 'ip link set lo up' 2>/dev/null; then
        I8_OWN_NETWORK=yes
        exec unshare -rn sh -c 'ip link set lo up && exec sh "$@"' sh "$@"
    fi
}

# begin ARGS…: sets $tool, $relay, $work (a scratch folder), $root (repositories, in it).
# The first time it calls the script's function prepare, runs the script anew in a network
# of its own, removes the folder, and ends.
begin() {
    tool=$(realpath "${I8_TOOL:-src/int8tool}")
    relay=$(realpath "${I8_RELAY:-tests/bench/relay}")
    trap 'exit 130' INT TERM
    if [ -z "${I8_WORK-}" ]; then
        I8_WORK=$(mktemp -d "${I8_BENCH_DIR:-/dev/shm}/int8tool-bench.XXXXXX")
        export I8_WORK
        trap 'rm -rf "$I8_WORK"' EXIT
        root=$I8_WORK/root
        prepare
        (own_network "$0" "$@" && sh "$0" "$@")
        exit
    fi
    work=$I8_WORK
    root=$work/root
    trap stop_all EXIT
    unset HF_TOKEN HF_HUB_CACHE HF_HUB_OFFLINE http_proxy all_proxy HTTP_PROXY ALL_PROXY
    export HF_HOME="$work/home"
}

# about_machine: the first words of every report
about_machine() {
    echo "$(nproc) processors, $(uname -sr); own network: $I8_OWN_NETWORK;" \
        "$("$tool" --version | head -n 1)"
}

stop_all() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || :
    done
    # shellcheck disable=SC2086 # a list of numbers
    [ -z "$pids" ] || wait $pids 2>/dev/null || :
    pids=
}

# free_port: one that nobody listens on now
free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# start_nginx ROOT RATE: serves ROOT with so many bytes a second a connection (0: no limit);
# its port is in $nginx_port, its log of "status bytes request" in $work/nginx.log
start_nginx() {
    nginx_port=$(free_port)
    limit=
    [ "$2" = 0 ] || limit="limit_rate $2;"
    : >"$work/nginx.log"
    cat >"$work/nginx-$nginx_port.conf" <<END
daemon off;
user $(id -un) $(id -gn);
worker_processes 1;
pid $work/nginx-$nginx_port.pid;
error_log $work/nginx.err;
events { worker_connections 512; }
http {
    log_format plain '\$status \$body_bytes_sent \$request_method \$uri \$http_range';
    access_log $work/nginx.log plain;
    sendfile on;
    keepalive_requests 100000;
    client_body_temp_path $work/nginx-body;
    proxy_temp_path $work/nginx-proxy;
    fastcgi_temp_path $work/nginx-fastcgi;
    uwsgi_temp_path $work/nginx-uwsgi;
    scgi_temp_path $work/nginx-scgi;
    server { listen 127.0.0.1:$nginx_port; root $1; $limit }
}
END
    nginx -e "$work/nginx.err" -c "$work/nginx-$nginx_port.conf" &
    pids="$pids $!"
    wait_for_port "$nginx_port"
}

wait_for_port() {
    "$python" - "$1" <<'END'
import socket, sys, time
for _ in range(200):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        break
    except OSError:
        time.sleep(0.05)
else:
    sys.exit("nothing listens on " + sys.argv[1])
END
}

# wait_for_file PID FILE: which the process writes when it is ready
wait_for_file() {
    while [ ! -s "$2" ]; do
        kill -0 "$1" 2>/dev/null || {
            echo "$(basename "$0"): what should write $2 has ended" >&2
            exit 1
        }
        sleep 0.02
    done
}

# start_relay DELAY_MS RATE_MB TARGET: its port is in $relay_port
start_relay() {
    rm -f "$work/relay.out"
    "$relay" "$1" "$2" "0:$3" >"$work/relay.out" &
    pids="$pids $!"
    wait_for_file $! "$work/relay.out"
    read -r relay_port _ <"$work/relay.out"
}

# start_standin ROOT CDN_PORT: its port is in $standin_port, its log in $work/hub.log
start_standin() {
    rm -f "$work/ready"
    PYTHONDONTWRITEBYTECODE=1 "$python" "$hub/standin.py" "$1" --ready "$work/ready" \
        --log "$work/hub.log" --static --cdn "http://localhost:$2" >/dev/null &
    pids="$pids $!"
    wait_for_file $! "$work/ready"
    # shellcheck disable=SC1091 # sets HF_ENDPOINT
    . "$work/ready"
    standin_port=${HF_ENDPOINT##*:}
}

# start_far_hub RATE RELAY_MB: both parts 30 ms away there and back, nginx with RATE bytes a
# second a connection, the relay before it with RELAY_MB (0: no limit); the CDN's port is
# in $cdn_port
start_far_hub() {
    start_nginx "$root" "$1"
    start_relay 15 "$2" "$nginx_port"
    cdn_port=$relay_port
    start_standin "$root" "$cdn_port"
    start_relay 15 0 "$standin_port"
    export HF_ENDPOINT="http://127.0.0.1:$relay_port"
}

# start_near_hub: both as fast as the machine goes
start_near_hub() {
    start_nginx "$root" 0
    cdn_port=$nginx_port
    start_standin "$root" "$cdn_port"
}
