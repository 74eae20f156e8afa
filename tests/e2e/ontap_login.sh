#!/bin/bash
# How the engine logs in to a controller: by certificate, and over TLS sessions that are resumed.
# usage: tests/e2e/ontap_login.sh [BUILD_DIR]
set -u
# shellcheck source=../lib/ontapsim.sh
. "$(dirname "$(realpath "$0")")/../lib/ontapsim.sh"

# pair NAME SUBJECT [OPENSSL-OPTION...]: NAME.pem and NAME.key, signed by itself
pair() {
  local name=$1 subject=$2
  shift 2
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$d/$name.key" -out "$d/$name.pem" -days 2 -subj "$subject" "$@" 2>/dev/null
}
pair client /CN=kvmbackup
pair stranger /CN=kvmbackup
pair server /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1
openssl rsa -aes128 -passout pass:geheim -in "$d/client.key" -out "$d/locked.key" 2>/dev/null

cat >"$d/sim.json" <<END
{ "listen": "127.0.0.1:0", "root": "$d/root", "client_ca": "$d/client.pem",
  "users": [ { "name": "admin", "password": "secret" }, { "name": "kvmbackup", "cert": "kvmbackup" } ],
  "svms": [ { "name": "svm1", "volumes": [ { "name": "vol1", "size": 10485760 } ] } ] }
END
sim_start main "$d/sim.json"
# shellcheck disable=SC2154  # sim_start sets it
port=${URL_main##*:}

cat >"$d/login.lua" <<END
local ontap = require "engine.ontap"
local options = assert(load("return " .. (...)))()
options.host, options.port, options.ca_file = "127.0.0.1", $port, "$d/root/.ontapsim/cert.pem"
options.timeout, options.retries = 10, 0
local client, e = ontap.new(options)
local svms
if client then svms, e = client:svms() end
print(svms and "svm " .. svms[1].name or e.code .. " " .. e.message)
END
# login OPTIONS: what the controller says to them
login() { R=$("$build/moonsnap" run "$d/login.lua" "$1" 2>&1 </dev/null | tee "$d/said"); }

login "{ user = 'admin', password = 'secret' }"
check_eq 'a password' "$R" 'svm svm1'
login "{ cert = '$d/client.pem', key = '$d/client.key' }"
check_eq 'a certificate' "$R" 'svm svm1'
cat "$d/client.pem" "$d/client.key" >"$d/both.pem"
login "{ cert = '$d/both.pem' }"
check_eq 'certificate and key in one file' "$R" 'svm svm1'
login "{ cert = '$d/client.pem', key = '$d/client.key', user = 'admin', password = 'wrong' }"
check_eq 'with a certificate no password is sent' "$R" 'svm svm1'
login "{ cert = '$d/stranger.pem', key = '$d/stranger.key' }"
check_match 'a certificate that nobody signed' "$d/said" '^(denied|unreachable|protocol) '
login "{ cert = '$d/client.pem', key = '$d/stranger.key' }"
check_match 'a key that is not its own' "$d/said" '^invalid .*certificate and key'
login "{ cert = '$d/client.pem', key = '$d/locked.key' }"
check_match 'a key with a password is not asked for' "$d/said" '^invalid .*no password'
login "{ cert = '$d/client.pem', key = '$d/client.key', https = false }"
check_match 'a certificate over plain HTTP' "$d/said" '^invalid .*needs HTTPS'

# --- whom it trusts ----------------------------------------------------------------------------------
# The system's CAs know the controller's certificate in a mount namespace of the call's own.
mkdir "$d/system"
cp "$d/root/.ontapsim/cert.pem" "$d/system/$(openssl x509 -in "$d/root/.ontapsim/cert.pem" -noout -hash).0"
cp "$d/server.pem" "$d/system/ca-certificates.crt"
cat >"$d/trust.lua" <<END
local ontap, http, ca = require "engine.ontap", require "engine.http", ...
local client = assert(ontap.new { host = "127.0.0.1", port = $port, user = "admin", password = "secret", timeout = 10,
  retries = 0, ca_file = ca })
local svms, e = client:svms()
local cert = assert(http.certificate("127.0.0.1", $port, { ca_file = ca, timeout = 10 }))
print(svms and "svm " .. svms[1].name or e.code, cert.verified or "not verified")
END
trust() { # [CA-FILE]
  # shellcheck disable=SC2016
  unshare -m sh -c 'mount --bind "$0" /etc/ssl/certs && exec "$@"' "$d/system" "$build/moonsnap" run "$d/trust.lua" "$@" 2>&1
}
if unshare -m true 2>/dev/null; then
  check_eq 'without a CA file the CAs of the system count' "$(trust)" $'svm svm1\tsystem'
  check_eq 'with one they do not' "$(trust "$d/server.pem")" $'denied\tnot verified'
else
  skip 'whom it trusts' 'no right to make a mount namespace'
fi

# --- TLS sessions ------------------------------------------------------------------------------------
# s_server closes each connection and says in its page whether the session was a new one.
openssl s_server -accept 127.0.0.1:0 -cert "$d/server.pem" -key "$d/server.key" -www >"$d/s_server" 2>&1 &
SIM_PIDS+=($!)
for _ in $(seq 400); do grep -q '^ACCEPT .' "$d/s_server" && break; sleep 0.05; done
s_port=$(sed -n 's/^ACCEPT .*://p' "$d/s_server")
cat >"$d/resume.lua" <<END
local http = require "engine.http"
for _ = 1, 3 do
  local reply, e = http.request("https://127.0.0.1:$s_port/", { ca_file = "$d/server.pem", timeout = 10 })
  print(reply and reply.body:match("(%a+), TLSv") or e)
end
END
check_eq 'TLS sessions are resumed' "$("$build/moonsnap" run "$d/resume.lua" 2>&1 | xargs)" 'New Reused Reused'
finish
