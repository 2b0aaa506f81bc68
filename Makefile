# make            build weir into build/
# make test       install what the tests need (when root), build, vet, run every test
# make bench      weir beside nginx, HAProxy and Caddy; BENCH="-cases keep-alive -rounds 2" for less
# make test-peers what make test leaves out for time: newer versions of the peers, every attack, and conformance and peers three times over; about an hour
# make hostile    every attack of test/hostile, on nginx and HAProxy too, with what well-behaved clients notice of it; half an hour on a machine with nothing else to do
# make soak       the long tests: reloads, replacements and faults under load, and every timed package twenty times over, for hours
# make fuzz       every fuzz target for FUZZTIME each
# make newer      unpack newer versions of the peers than this Debian has
# make setup      only install what the tests need

GO       ?= go
FUZZTIME ?= 30s
POSTGRES := 15
ERLANG   := base asn1 crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools tftp tools xmerl
CLIENTS  := test/origins/testdata/clients
BENCH    ?=
# These measure times and counts of running programs: nothing may run beside them.
TIMED    := ./test/http2 ./test/layer4 ./test/networks ./test/steady ./test/faults ./test/hostile ./test/chaos ./test/origins
PACKAGES := nginx haproxy nftables iproute2 apache2 apache2-utils wrk nghttp2-client curl chromium strace openssl openssh-client systemd gnutls-bin ngtcp2-client testssl.sh libnginx-mod-stream dnsmasq-base unbound vsftpd lftp libhiredis0.14 libmemcached11 libmemcachedutil2 libpcre2-posix3 libpq5 libxml2 libldap-2.5-0 python3-hpack python3-gitlab

.PHONY: build setup newer test test-peers hostile soak bench fuzz

# Without C: one static file, and threads of which the runtime knows all, which --user and --landlock need.
build:
	CGO_ENABLED=0 $(GO) build -o build/weir ./cmd/weir

# Node and npm may be there from elsewhere than Debian, whose packages then do not fit beside them.
setup:
	@missing=$$(for p in $(PACKAGES) $$(command -v node >/dev/null || echo nodejs) $$(command -v npm >/dev/null || echo npm); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then \
	    echo "the tests need: $$(echo $$missing); install with: sudo make setup" >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -q && apt-get install -q -y --no-install-recommends $$missing
# Debian has one FTP server installed at a time, and starts a PostgreSQL or RabbitMQ that it installs; these are unpacked.
	@test -x build/proftpd/usr/sbin/proftpd || { mkdir -p build/proftpd && cd build/proftpd && apt-get download -q proftpd-core && \
	    dpkg-deb -x proftpd-core_*.deb . && rm proftpd-core_*.deb; }
	@test -d build/postgresql/usr/lib/postgresql || { mkdir -p build/postgresql && cd build/postgresql && \
	    apt-get download -q postgresql-$(POSTGRES) postgresql-client-$(POSTGRES) && for p in *.deb; do dpkg-deb -x $$p . && rm $$p || exit 1; done; }
	@test -f build/rabbitmq/done || { rm -rf build/rabbitmq && mkdir -p build/rabbitmq && cd build/rabbitmq && \
	    apt-get download -q rabbitmq-server $(ERLANG:%=erlang-%) && for p in *.deb; do dpkg-deb -x $$p . && rm $$p || exit 1; done && \
	    sed -i "s#=/usr/lib/erlang\$$#=$$PWD/usr/lib/erlang#" usr/lib/erlang/bin/erl && touch done; }
# A registry and clients from npm's own registry, as the lock file has them.
	@cmp -s $(CLIENTS)/package-lock.json build/clients/done || { mkdir -p build/clients && cp $(CLIENTS)/package.json $(CLIENTS)/package-lock.json build/clients/ && \
	    cd build/clients && npm ci --ignore-scripts --no-audit --no-fund --loglevel error && cp package-lock.json done; }

test: setup build
	$(GO) vet ./...
	$(GO) test -timeout 10m $$($(GO) list ./... | grep -vxF "$$($(GO) list $(TIMED))")
	$(GO) test -timeout 20m -p 1 $(TIMED)

test-peers: newer build hostile
	$(GO) test -timeout 30m -count 1 -v -run 'Early' ./test/http2
	$(GO) test -timeout 60m -count 3 -p 1 ./test/conformance/... ./test/origins ./test/acme

hostile: newer
	$(GO) test -timeout 90m -count 1 -v ./test/hostile -args -long

# Every test of a long time knows the flag.
soak: setup
	$(GO) test -timeout 6h -count 1 -p 1 -v -run 'Reloads|Replacements|Soak|AllServersDown|ThreeTimes' ./test/faults -args -soak
	$(GO) test -timeout 1h -count 1 -v -run 'Changes|Replaced' ./test/layer4 -args -soak
	$(GO) test -timeout 1h -count 1 -v -run 'WebSocketClients|QuietGRPC' ./test/http2 -args -soak
	$(GO) test -timeout 2h -count 1 -v -run 'Model' ./kernel/netfilter -args -soak
	$(GO) test -timeout 6h -count 20 -p 1 $(TIMED)

# Newer peers than this machine's Debian has, unpacked below build/newer: the benchmark and the long conformance runs use them.
newer: setup
	@sh test/peers/newer.sh build/newer

bench: newer
	$(GO) run ./test/bench $(BENCH)

# go test fuzzes one target of one package at a time.
fuzz:
	@set -e; for p in $$($(GO) list ./...); do \
	    for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	        echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p; \
	    done; done
