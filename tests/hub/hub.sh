# SPDX-License-Identifier: Apache-2.0
# For shell tests that need a Hub: `. "$HUB/hub.sh"` with HUB naming this folder. What is
# started ends with the shell that started it. README.md says what it serves.

hub_python=${PYTHON:-/usr/bin/python3}

# start_hub ROOT [OPTION...]: serves ROOT; exports HF_ENDPOINT. The log of requests is
# hub-work/log; the cache is a new one, and no token or proxy of the caller's is used.
start_hub() {
    _root=$1
    shift
    mkdir -p hub-work
    rm -f hub-work/ready
    PYTHONDONTWRITEBYTECODE=1 "$hub_python" "${HUB:?}/standin.py" "$_root" \
        --ready hub-work/ready --log hub-work/log --faults hub-work/faults "$@" \
        >/dev/null 2>hub-work/stderr &
    hub_pid=$!
    trap stop_hub EXIT
    trap 'stop_hub; exit 130' INT TERM
    while [ ! -e hub-work/ready ]; do
        kill -0 $hub_pid 2>/dev/null || {
            cat hub-work/stderr >&2
            echo "the stand-in Hub did not start" >&2
            exit 99
        }
        sleep 0.05
    done
    . ./hub-work/ready
    unset HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_HUB_OFFLINE \
        TRANSFORMERS_OFFLINE HF_TOKEN_PATH HF_HUB_DISABLE_SYMLINKS http_proxy HTTP_PROXY \
        all_proxy ALL_PROXY
    HF_HOME=$PWD/hub-work/home
    export HF_HOME
}

stop_hub() {
    [ -z "${hub_pid-}" ] || kill "$hub_pid" 2>/dev/null || :
    hub_pid=
}

# faults JSON: the rules from now on
faults() {
    printf '%s\n' "$1" >hub-work/faults.new
    mv hub-work/faults.new hub-work/faults
}

no_faults() {
    rm -f hub-work/faults
}

# Until the log has all requests that were sent: their sender may be quicker.
settle_requests() {
    "$hub_python" -c 'import sys, urllib.request
urllib.request.urlopen(sys.argv[1] + "/-/settled").close()' "$HF_ENDPOINT"
}

# requests EXPRESSION: a Python expression over the list of requests r so far
requests() {
    settle_requests
    "$hub_python" -c 'import json, sys
r = [json.loads(line) for line in open("hub-work/log")]
print(eval(sys.argv[1]))' "$1"
}

forget_requests() {
    settle_requests
    : >hub-work/log
}
